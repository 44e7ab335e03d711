"""The road from a prompt to a picture on disk."""

import warnings

from django.apps import AppConfig
from PIL import Image

MAX_PIXELS = 64_000_000  # a 4k picture at 21:9 has under 40 million


class GenerationsConfig(AppConfig):
    """Turns Pillow's warning about oversized pictures into an error, and has queue clusters give signs of life."""

    name = "generations"

    def ready(self) -> None:
        import generations.queue  # noqa: F401, PLC0415

        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
