"""Drawing: a quiet landscape with the prompt written into its sky, so that nobody takes it for the real thing.

Colours come from the prompt, so that the pictures of one request belong together; sun and hills come from the seed,
so that each is another. The same Sketch always gives the same bytes.
"""

import io
import math
import random
import string
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFont, ImageMath

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CLASS_EDGE = {"1k": 1024, "2k": 2048, "4k": 4096}
"""A picture of a resolution class has about the area of a square with this edge, pixels."""
STEP = 16
"""Widths and heights are multiples of this. Kling at 2k and 16:9 gives 2720 × 1536 (measured by its users)."""
LONGEST_DRAWN = 3200
"""Pictures with longer sides, pixels, are drawn smaller and enlarged: memory is finite."""
SMOOTH = 3
"""Edges are drawn this many times larger, then reduced, so that they are soft."""
STRIP = 128
"""A gradient is computed this wide, pixels, and repeated: its grain is too fine to show it."""
LONGEST_PIECE = 120
"""No line holds more letters than this of one word."""
DRAWABLE = {*string.ascii_letters, *string.digits, *string.punctuation, *" ©«°±´·»‘’“”‹›"}
"""What Pillow's built-in font has a shape for."""
LAYERS = 4
"""Hills behind hills."""
LETTERS = (13, 15, 17, 20, 24, 28, 34)
"""Sizes of the prompt's letters, as parts of the shorter side; the first with which it fits is taken."""


def _colour(digits: str) -> Colour:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


@dataclass(frozen=True)
class Palette:
    """Sky from top to horizon, sun, far and near hills, and the inks that are readable on sky and hills."""

    high: Colour
    low: Colour
    sun: Colour
    far: Colour
    near: Colour
    ink: Colour
    pale: Colour = (250, 247, 240)


PALETTES = tuple(
    Palette(*map(_colour, line.split()))
    for line in (
        "dfe7ee f6e3d3 f3bd93 b9bfcb 46557a 26324a",
        "f5ecdf efcfb5 e08f6d cfa795 74463f 4a2a2c",
        "e3ebe2 f4efd9 ecca79 adc2a8 3d6553 203f35",
        "e8e4f0 f5dcdf eba6aa bfadcc 554775 35294f",
        "d9ebec f2efe2 f2c07f a3c4c6 2f6673 17404b",
        "1f2c47 566688 f2d7a0 6479a3 131d33 f1ede2",
        "f1ece4 e6dacb cda47a c9bdae 65584a 3b3228",
        "23343a 55706f f3c99b 6d8b87 16262b f3efe6",
    )
)


@dataclass(frozen=True)
class Sketch:
    """What to draw. Size in pixels; `number` counts from 1."""

    prompt: str
    seed: str
    number: int
    total: int
    width: int
    height: int
    marked: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height

    @property
    def short(self) -> int:
        """The shorter side: the measure for everything that has a size."""
        return min(self.size)


def size_for(resolution: str, ratio: float) -> tuple[int, int]:
    """Width and height, pixels, for a resolution class and width ÷ height."""
    if ratio < 1:
        height, width = size_for(resolution, 1 / ratio)
        return width, height
    height = round(CLASS_EDGE[resolution] / math.sqrt(ratio) / STEP) * STEP
    return int(height * ratio / STEP) * STEP, height


def draw(sketch: Sketch) -> bytes:
    """The picture as PNG."""
    reduction = math.ceil(max(sketch.size) / LONGEST_DRAWN)
    width, height = (math.ceil(side / reduction) for side in sketch.size)
    image = _drawn(replace(sketch, width=width, height=height))
    if reduction > 1:
        image = image.resize(sketch.size)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=4)
    return file.getvalue()


def _drawn(sketch: Sketch) -> Image.Image:
    palette = random.Random(sketch.prompt).choice(PALETTES)  # noqa: S311 - the same each time is the point
    image = _gradient(sketch.size, palette.high, palette.low)
    _paint_land(image, sketch, palette)
    _write(image, sketch, palette)
    return image


# Painting -------------------------------------------------------------------------------------------------------------


def _gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """From one colour down to another, computed in fractions and rounded with grain, so that it shows no bands."""
    width, height = size
    strip = STRIP, height
    slope = Image.linear_gradient("L").convert("F").resize(strip, Image.Resampling.BICUBIC)
    grain = Image.frombytes("L", strip, random.Random(0).randbytes(STRIP * height)).convert("F")  # noqa: S311
    mixed = Image.merge("RGB", [_mix(slope, grain, *ends) for ends in zip(top, bottom, strict=True)])
    image = Image.new("RGB", size)
    for left in range(0, width, STRIP):
        image.paste(mixed, (left, 0))
    return image


def _mix(slope: Image.Image, grain: Image.Image, top: int, bottom: int) -> Image.Image:
    """One channel of a gradient; `slope` and `grain` hold fractions of 0 … 255."""
    mixed: Image.Image = ImageMath.lambda_eval(
        lambda given: given["convert"](given["slope"] * ((bottom - top) / 255) + given["grain"] / 256 + top, "L"),
        slope=slope,
        grain=grain,
    )
    return mixed


def _paint_land(image: Image.Image, sketch: Sketch, palette: Palette) -> None:
    chance = random.Random(sketch.seed)  # noqa: S311 - the same each time is the point
    horizon = chance.uniform(0.58, 0.66)
    image.paste(palette.sun, mask=_sun(sketch, chance, horizon))
    for layer in range(LAYERS):
        depth = layer / (LAYERS - 1)
        crest = _between(palette.far, palette.near, depth)
        foot = _between(crest, palette.low, 0.35 * (1 - depth))
        top = horizon + (0.90 - horizon) * (layer + chance.uniform(-0.2, 0.2)) / LAYERS
        image.paste(_gradient(sketch.size, crest, foot), mask=_hill(sketch, chance, top))


def _sun(sketch: Sketch, chance: random.Random, horizon: float) -> Image.Image:
    radius = sketch.short * chance.uniform(0.10, 0.19)
    x = sketch.width * chance.uniform(0.55, 0.85)
    y = sketch.height * horizon - radius * chance.uniform(-0.2, 1.1)
    mask, pen = _canvas(sketch)
    pen.ellipse([SMOOTH * edge for edge in (x - radius, y - radius, x + radius, y + radius)], fill=235)
    return mask.reduce(SMOOTH)


def _hill(sketch: Sketch, chance: random.Random, top: float) -> Image.Image:
    """Everything below a wavy line whose middle is at `top`, a fraction of the height."""
    waves = [(chance.uniform(0.5, 1) / number, number, chance.uniform(0, math.tau)) for number in (1, 2, 3.3)]
    width, height = (SMOOTH * side for side in sketch.size)
    swing = 0.045 * SMOOTH * sketch.short
    reach = 3 * sketch.width / sketch.short
    line = []
    for x in range(0, width + 8, 8):
        lift = sum(share * math.sin(number * reach * x / width + phase) for share, number, phase in waves)
        line.append((x, height * top - swing * lift))
    mask, pen = _canvas(sketch)
    pen.polygon([*line, (width, height), (0, height)], fill=255)
    return mask.reduce(SMOOTH)


def _canvas(sketch: Sketch) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    mask = Image.new("L", (SMOOTH * sketch.width, SMOOTH * sketch.height))
    return mask, ImageDraw.Draw(mask)


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


# Writing --------------------------------------------------------------------------------------------------------------


def _write(image: Image.Image, sketch: Sketch, palette: Palette) -> None:
    pen = ImageDraw.Draw(image)
    margin = sketch.short * 0.075
    small = ImageFont.load_default(size=sketch.short / 36)
    text, letters = _fitted(sketch, sketch.width - 2 * margin, sketch.height * 0.42)
    pen.multiline_text((margin, margin), text, palette.ink, letters, spacing=sketch.short * 0.012)
    foot = sketch.height - margin * 0.6
    pen.text((sketch.width - margin, foot), "sandbox", palette.pale, small, anchor="rs")
    if sketch.total > 1:
        pen.text((margin, foot), f"Picture {sketch.number} of {sketch.total}", palette.pale, small, anchor="ls")
    if sketch.marked:
        _mark(image, sketch, palette)


def _fitted(sketch: Sketch, width: float, height: float) -> tuple[str, Font]:
    """The prompt in lines and its font, as large as goes into width × height; a very long one is cut short."""
    for part in LETTERS:
        font = ImageFont.load_default(size=sketch.short / part)
        room = max(1, int(height / (sketch.short / part * 1.3)))
        lines = _wrapped(_readable(sketch.prompt), font, width)
        if len(lines) <= room:
            break
    else:
        lines = [*lines[: room - 1], lines[room - 1][:-1].rstrip() + "…"]
    return "\n".join(lines), font


def _readable(text: str) -> str:
    """The text without what the font cannot draw: accents go, foreign letters become dots."""
    plain = unicodedata.normalize("NFKD", text).replace("–", "-").replace("—", "-")
    seen = (letter for letter in " ".join(plain.split()) if not unicodedata.combining(letter))
    return "".join(letter if letter in DRAWABLE else "·" for letter in seen)


def _wrapped(text: str, font: Font, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        for piece in _pieces(word, font, width):
            longer = f"{lines[-1]} {piece}".strip()
            if font.getlength(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(piece)
    return lines


def _pieces(word: str, font: Font, width: float) -> list[str]:
    """The word whole if it fits a line, else in parts that do."""
    pieces = []
    while word:
        lengths = range(1, min(len(word), LONGEST_PIECE) + 1)
        fitting = max(1, bisect_right(lengths, width, key=lambda length: font.getlength(word[:length])))
        pieces.append(word[:fitting])
        word = word[fitting:]
    return pieces


def _mark(image: Image.Image, sketch: Sketch, palette: Palette) -> None:
    """A watermark right across the middle."""
    mask = Image.new("L", sketch.size)
    font = ImageFont.load_default(size=sketch.short / 14)
    middle = sketch.width / 2, sketch.height / 2
    ImageDraw.Draw(mask).text(middle, "sandbox watermark", 140, font, anchor="mm")
    image.paste(palette.ink, mask=mask)
