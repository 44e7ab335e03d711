"""Where templates find a picture in a size."""

from django.template import Library
from django.urls import reverse

from generations.models import Image

register = Library()


@register.simple_tag
def small(image: Image, width: int) -> str:
    """Where a small copy of a picture is; while there is none yet, the picture itself."""
    name, *more = ("thumbnail", width) if image.has_thumbnails else ("original",)
    return reverse(name, args=[image.pk, *more])
