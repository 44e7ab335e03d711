"""The pictures of the bench, and what Pillow alone takes for one: `python -m tests.bench.pictures SIDE COUNT`.

A photograph made large, with a little grain: without it a PNG is half as large as those that providers make.
"""

import hashlib
import random
import sys
import tempfile
import time
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow

PHOTO = Path(__file__).resolve().parent.parent / "fixtures" / "photos" / "coffee.png"
GRAIN = 0.04
THUMBNAILS = (320, 1280)  # as klingweb's, and so are the two below
QUALITY, METHOD = 80, 4


@cache
def picture(side: int) -> bytes:
    """A square PNG. The same side gives the same bytes."""
    with Pillow.open(PHOTO) as photo:
        large = photo.convert("RGB").resize((side, side), Pillow.Resampling.LANCZOS)
    grain = Pillow.frombytes("RGB", (side, side), random.Random(side).randbytes(3 * side * side))  # noqa: S311
    content = BytesIO()
    Pillow.blend(large, grain, GRAIN).save(content, "PNG")
    return content.getvalue()


def bring_home(content: bytes, folder: Path) -> None:
    """Write it down, hash it, decode it once, make both thumbnails: nothing less would do."""
    hashlib.sha256(content).hexdigest()
    (folder / "original").write_bytes(content)
    with Pillow.open(folder / "original") as opened:
        opened.load()
        for width in THUMBNAILS:
            copy = opened.copy()
            copy.thumbnail((width, width * 4), Pillow.Resampling.LANCZOS)
            copy.save(folder / str(width), "WEBP", quality=QUALITY, method=METHOD)


def main(side: int, count: int) -> None:
    """Say how many seconds of a core one picture takes."""
    content = picture(side)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        for _ in range(count):
            bring_home(content, Path(folder))
        sys.stdout.write(f"{(time.process_time() - began) / count}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
