"""The road from a prompt to a picture on disk."""

import warnings

from django.apps import AppConfig
from PIL import Image

MAX_PIXELS = 64_000_000  # a 4k picture at 21:9 has under 40 million


class GenerationsConfig(AppConfig):
    """Turns Pillow's warning about oversized pictures into an error."""

    name = "generations"

    def ready(self) -> None:
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        warnings.filterwarnings("error", category=Image.DecompressionBombWarning)
