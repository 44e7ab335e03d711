"""The pictures themselves."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from klingweb.sandbox.pictures import PALETTES, Palette, Sketch, draw, size_for

SKETCH = Sketch("A fox in the snow", "827996385395363846 0", number=1, total=4, width=512, height=288)
WATERMARKED = (200, 110, 312, 178)
CORNER = (400, 260, 512, 288)


def opened(sketch: Sketch) -> Image.Image:
    return Image.open(io.BytesIO(draw(sketch))).convert("RGB")


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """WCAG's contrast of two colours, 1 … 21."""

    def light(colour: tuple[int, int, int]) -> float:
        parts = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05

    lower, upper = sorted((light(first), light(second)))
    return upper / lower


def test_the_same_sketch_gives_the_same_bytes() -> None:
    assert draw(SKETCH) == draw(SKETCH)


def test_each_picture_of_a_set_is_another() -> None:
    pictures = {draw(replace(SKETCH, seed=f"task {index}", number=index + 1)) for index in range(9)}
    assert len(pictures) == 9


def test_a_watermark_changes_only_the_middle() -> None:
    plain, marked = opened(SKETCH), opened(replace(SKETCH, marked=True))
    assert plain.crop(WATERMARKED).tobytes() != marked.crop(WATERMARKED).tobytes()
    assert plain.crop(CORNER).tobytes() == marked.crop(CORNER).tobytes()


@pytest.mark.parametrize(
    "prompt",
    ["", "word " * 500, "x" * 2500, "Café, Zürich – “quoted”", "一只狐狸", "line\nbreaks\tand 🦊"],
    ids=["empty", "long", "one word", "accents", "chinese", "control"],
)
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert opened(replace(SKETCH, prompt=prompt)).size == (512, 288)


def test_a_single_picture_is_not_numbered() -> None:
    single, first = (opened(replace(SKETCH, total=total)).crop((0, 250, 200, 288)) for total in (1, 2))
    assert single.tobytes() != first.tobytes()


@pytest.mark.parametrize("palette", PALETTES)
def test_the_prompt_is_readable_on_every_sky_and_the_foot_on_every_hill(palette: Palette) -> None:
    assert min(contrast(palette.ink, palette.high), contrast(palette.ink, palette.low)) >= 4.5
    assert contrast(palette.pale, palette.near) >= 4.5


@pytest.mark.parametrize("resolution", ["1k", "2k"])
@pytest.mark.parametrize("ratio", [16 / 9, 9 / 16, 1, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 21 / 9, 2.5, 0.4, 1.234])
def test_sizes_are_of_their_class_near_their_ratio_and_multiples_of_16(resolution: str, ratio: float) -> None:
    width, height = size_for(resolution, ratio)
    edge = {"1k": 1024, "2k": 2048}[resolution]
    assert width % 16 == height % 16 == 0
    assert width / height == pytest.approx(ratio, rel=0.02)
    assert width * height == pytest.approx(edge**2, rel=0.04)
