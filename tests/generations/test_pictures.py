"""What becomes of a stranger's picture: refused with a sentence, or written anew in a form that a provider takes."""

import math
import struct
import subprocess
import sys
import textwrap
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL import ImageChops, ImageCms, PngImagePlugin

from generations import pictures
from generations.pictures import BadPicture, Prepared, prepare
from generations.providers.fields import PictureBounds

PHOTOS = Path(__file__).parent.parent / "fixtures" / "photos"
BOUNDS = PictureBounds()
CANARY = "canary-51.5007N-0.1246W"
ORIENTATION, DESCRIPTION, GPS = 0x0112, 0x010E, 0x8825


def written(picture: Pillow.Image, form: str, **options: object) -> bytes:
    content = BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()


def photo(size: tuple[int, int] = (600, 400)) -> Pillow.Image:
    with Pillow.open(PHOTOS / "coffee.png") as picture:
        return picture.convert("RGB").resize(size)


def noise(size: tuple[int, int], mode: str = "RGB") -> Pillow.Image:
    """Pixels that no encoder can make small."""
    count = size[0] * size[1] * len(mode)
    return Pillow.frombytes(mode, size, Random(7).randbytes(count))  # noqa: S311


def quarters() -> Pillow.Image:
    """A picture that looks different from every side: red, green / blue, white; wider than high."""
    picture = Pillow.new("RGB", (600, 400), "white")
    for colour, corner in (("red", (0, 0)), ("lime", (300, 0)), ("blue", (0, 200))):
        picture.paste(colour, (*corner, corner[0] + 300, corner[1] + 200))
    return picture


def opened(prepared: Prepared) -> Pillow.Image:
    picture = Pillow.open(BytesIO(prepared.content))
    picture.load()
    assert picture.get_format_mimetype() == prepared.media_type
    assert picture.size == (prepared.width, prepared.height)
    return picture


def close(one: Pillow.Image, other: Pillow.Image, most: float = 6) -> bool:
    """Whether two pictures look the same: the mean difference of a channel is small."""
    histogram = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L").histogram()
    return sum(value * count for value, count in enumerate(histogram)) / math.prod(one.size) < most


def refusal(content: bytes, bounds: PictureBounds = BOUNDS) -> str:
    with pytest.raises(BadPicture) as caught:
        prepare(content, bounds)
    return str(caught.value)


# What comes in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/jpeg"), ("AVIF", "image/jpeg")],
)
def test_four_formats_come_in_and_two_are_kept(form: str, media_type: str) -> None:
    prepared = prepare(written(photo(), form), BOUNDS)
    assert (prepared.media_type, prepared.said) == (media_type, "")
    assert close(opened(prepared), photo())


def test_real_photographs_stay_as_they_look() -> None:
    for name, media_type in (("coffee.png", "image/png"), ("rocket.jpg", "image/jpeg")):
        content = (PHOTOS / name).read_bytes()
        prepared = prepare(content, BOUNDS)
        assert (prepared.media_type, prepared.said) == (media_type, "")
        with Pillow.open(BytesIO(content)) as original:
            assert close(opened(prepared), original)


def test_a_lossless_picture_stays_lossless() -> None:
    assert ImageChops.difference(opened(prepare(written(photo(), "PNG"), BOUNDS)), photo()).getbbox() is None


def test_a_jpeg_keeps_its_colour_in_every_pixel() -> None:
    kept = opened(prepare(written(photo(), "JPEG", subsampling=0, quality=98), BOUNDS))
    assert {sampling[1:3] for sampling in kept.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_the_same_file_gives_the_same_bytes() -> None:
    for form in pictures.FORMATS:
        content = written(photo(), form)
        assert prepare(content, BOUNDS) == prepare(content, BOUNDS)


def test_the_small_copy_is_webp() -> None:
    with Pillow.open(BytesIO(prepare(written(photo(), "PNG"), BOUNDS).thumbnail)) as small:
        assert (small.format, small.width) == ("WEBP", 320)


def test_a_phones_photo_with_a_second_picture_inside_is_its_first_picture() -> None:
    content = written(photo(), "MPO", save_all=True, append_images=[Pillow.new("RGB", (600, 400), "lime")])
    with Pillow.open(BytesIO(content)) as picture:
        assert picture.format == "MPO"
    assert close(opened(prepare(content, BOUNDS)), photo())


# What is refused ------------------------------------------------------------------------------------------------------


def animation(form: str) -> bytes:
    return written(photo(), form, save_all=True, append_images=[quarters()])


def heic(*brands: bytes) -> bytes:
    box = b"ftyp" + brands[0] + bytes(4) + b"".join(brands)
    return struct.pack(">I", len(box) + 4) + box + bytes(400)


NO_PICTURE = "This is no picture that can be used. Choose a PNG, JPEG, WebP or AVIF file."
DAMAGED = "The file is damaged or incomplete. Export the picture again and choose that file."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty. Choose another one."),
        (b"<html>no picture</html>", NO_PICTURE),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', NO_PICTURE),
        (b"%PDF-1.7\n1 0 obj", NO_PICTURE),
        (b"\x89PNG\r\n\x1a\n", NO_PICTURE),
        (written(photo(), "BMP"), NO_PICTURE),
        (written(photo(), "TIFF"), NO_PICTURE),
        (written(photo(), "GIF"), "This is a GIF. Choose a still picture: PNG, JPEG, WebP or AVIF."),
        (animation("GIF"), "This is a GIF. Choose a still picture: PNG, JPEG, WebP or AVIF."),
        *[(animation(form), "This is an animation. Choose a still picture.") for form in ("PNG", "WEBP", "AVIF")],
        *[(written(photo(), form)[:-900], DAMAGED) for form in ("PNG", "JPEG", "WEBP")],
        (written(photo(), "AVIF")[:-900], NO_PICTURE),
    ],
    ids=[
        *["empty", "html", "svg", "pdf", "start of a png", "bmp", "tiff", "gif", "animated gif"],
        *["animated png", "animated webp", "animated avif"],
        *["half a png", "half a jpeg", "half a webp", "half an avif"],
    ],
)
def test_anything_else_is_refused_with_what_to_do(content: bytes, sentence: str) -> None:
    assert refusal(content) == sentence


@pytest.mark.parametrize("brands", [[b"heic", b"mif1"], [b"mif1", b"heic"], [b"heix"], [b"msf1", b"hevc"]])
def test_a_heic_photo_is_refused_with_how_to_get_a_jpeg(brands: list[bytes]) -> None:
    assert refusal(heic(*brands)) == (
        "This is a HEIC photo, which no provider takes. Export it as JPEG and choose that file. "
        "On an iPhone: Settings › Camera › Formats › Most Compatible."
    )


def test_a_container_that_heic_and_avif_share_is_not_taken_for_heic() -> None:
    assert refusal(heic(b"mif1", b"avif")) == refusal(heic(b"isom", b"mp41")) == NO_PICTURE


def test_a_picture_of_more_pixels_than_can_be_decoded_is_refused_before_decoding() -> None:
    large = written(Pillow.new("1", (5001, 5000)), "PNG")
    assert refusal(large) == (
        "The picture is too large: a reference has at most 25 million pixels. Make it smaller, then choose it again."
    )
    for bomb in (Pillow.new("1", (9000, 9000)), Pillow.new("1", (12000, 12000))):
        assert refusal(written(bomb, "PNG")).startswith("The picture is too large: a reference has at most 64 million")


# What does not come along ---------------------------------------------------------------------------------------------


def with_metadata(form: str) -> bytes:
    exif = Pillow.Exif()
    exif[DESCRIPTION] = CANARY
    exif.get_ifd(GPS).update({1: "N", 2: (51.0, 30.0, 2.5), 29: CANARY})
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{CANARY}</x:xmpmeta>'.encode()
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", CANARY)
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return written(photo(), form, exif=exif, pnginfo=text)
    return written(photo(), form, exif=exif, xmp=xmp, comment=CANARY)


@pytest.mark.parametrize("form", pictures.FORMATS)
def test_no_metadata_are_kept_least_of_all_the_place(form: str) -> None:
    content = with_metadata(form)
    assert CANARY.encode() in content
    prepared = prepare(content, BOUNDS)
    for kept in (prepared.content, prepared.thumbnail):
        assert CANARY.encode() not in kept
        with Pillow.open(BytesIO(kept)) as picture:
            assert not picture.getexif()
            assert not set(picture.info) & {"exif", "xmp", "comment", "Comment", "icc_profile", "dpi"}


@pytest.mark.parametrize("form", pictures.FORMATS)
def test_a_second_file_behind_the_picture_is_not_kept(form: str) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.html", CANARY)
    content = written(photo(), form) + b"<script>" + CANARY.encode() + b"</script>" + archive.getvalue()
    assert zipfile.is_zipfile(BytesIO(content))
    prepared = prepare(content, BOUNDS)
    assert not zipfile.is_zipfile(BytesIO(prepared.content))
    assert CANARY.encode() not in prepared.content
    assert prepared.content.endswith(b"IEND\xaeB`\x82" if form == "PNG" else b"\xff\xd9")


# How it looks ---------------------------------------------------------------------------------------------------------

# EXIF orientation → how the camera's pixels lie, seen from what it saw
LYING = {
    1: None,
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_90,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", LYING)
@pytest.mark.parametrize("form", pictures.FORMATS)
def test_a_picture_stands_as_its_camera_was_held(form: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION] = orientation
    turn = LYING[orientation]
    lying = quarters() if turn is None else quarters().transpose(turn)
    prepared = prepare(written(lying, form, exif=exif), BOUNDS)
    assert close(opened(prepared), quarters())
    assert prepared.said == ""


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_broken_metadata_do_not_keep_a_picture_from_being_used(form: str) -> None:
    nonsense = prepare(written(quarters(), form, exif=b"Exif\0\0nonsense"), BOUNDS)
    assert close(opened(nonsense), quarters())
    a_number_for_words = struct.pack(">HHIf", DESCRIPTION, 11, 1, 2.5)  # Pillow reads that, but cannot write it back
    upside_down = struct.pack(">HHIHH", ORIENTATION, 3, 1, 3, 0)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + a_number_for_words + upside_down + bytes(4)
    turned = prepare(written(quarters().transpose(Pillow.Transpose.ROTATE_180), form, exif=exif), BOUNDS)
    assert close(opened(turned), quarters())


def profile(**renamed: str) -> bytes:
    """sRGB, or a profile that calls its primaries by other names."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(132, 132 + 12 * struct.unpack(">I", content[128:132])[0], 12):
        name = content[entry : entry + 4].decode()
        content[entry : entry + 4] = renamed.get(name, name).encode()
    return bytes(content)


@pytest.mark.parametrize("form", pictures.FORMATS)
def test_colours_are_kept_right_and_their_profile_is_not(form: str) -> None:
    swapped = profile(rXYZ="bXYZ", bXYZ="rXYZ")
    prepared = prepare(written(Pillow.new("RGB", (400, 400), "red"), form, icc_profile=swapped), BOUNDS)
    assert close(opened(prepared), Pillow.new("RGB", (400, 400), "blue"))
    assert "icc_profile" not in opened(prepared).info


@pytest.mark.parametrize("broken", [b"nonsense", profile()[:200], profile(rXYZ="xxxx")])
def test_a_profile_that_says_nothing_changes_nothing(broken: bytes) -> None:
    assert close(opened(prepare(written(quarters(), "PNG", icc_profile=broken), BOUNDS)), quarters())


def test_a_profile_also_applies_where_something_is_transparent() -> None:
    picture = Pillow.new("RGBA", (400, 400), (255, 0, 0, 128))
    prepared = prepare(written(picture, "PNG", icc_profile=profile(rXYZ="bXYZ", bXYZ="rXYZ")), BOUNDS)
    red, green, blue, alpha = opened(prepared).getpixel((9, 9))  # type: ignore[misc]
    assert (red < 9, green < 9, blue > 246, alpha) == (True, True, True, 128)


GREY = quarters().convert("L")


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (written(GREY, "PNG"), GREY),
        (written(GREY, "JPEG"), GREY),
        (written(GREY.convert("1"), "PNG"), GREY.convert("1")),
        (written(GREY.convert("I").point(lambda value: value * 257).convert("I;16"), "PNG"), GREY),
        (written(quarters().convert("P"), "PNG"), quarters()),
        (written(quarters().convert("CMYK"), "JPEG"), quarters()),
        (written(quarters().convert("RGBA"), "PNG"), quarters()),
        (written(GREY.convert("LA"), "PNG"), GREY),
    ],
    ids=["grey", "grey jpeg", "two colours", "16 bit", "palette", "cmyk", "opaque alpha", "opaque grey alpha"],
)
def test_every_kind_of_pixel_becomes_plain_rgb(content: bytes, looks: Pillow.Image) -> None:
    kept = opened(prepare(content, BOUNDS))
    assert kept.mode == "RGB"
    assert close(kept, looks)


def see_through() -> Pillow.Image:
    picture = quarters().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 300, 200))
    return picture


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_what_is_transparent_stays_so_as_png(form: str) -> None:
    prepared = prepare(written(see_through(), form), BOUNDS)
    assert (prepared.media_type, prepared.said) == ("image/png", "")
    assert opened(prepared).getchannel("A").getextrema() == (0, 255)


@pytest.mark.parametrize(("mode", "transparent"), [("P", 15), ("L", 76), ("RGB", (255, 0, 0)), ("I;16", 76 * 257)])
def test_a_colour_that_stands_for_transparent_is_understood(mode: str, transparent: object) -> None:
    picture = GREY.convert("I").point(lambda value: value * 257) if mode == "I;16" else quarters()
    kept = opened(prepare(written(picture.convert(mode), "PNG", transparency=transparent), BOUNDS))
    assert kept.mode == ("RGB" if mode == "I;16" else "RGBA")  # in 16 bits of grey nobody has it


# Within bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        ((300, 300), ""),
        ((300, 750), ""),
        ((280, 900), "The picture is 280 × 900 pixels. Each side needs at least 300."),
        ((1300, 299), "The picture is 1,300 × 299 pixels. Each side needs at least 300."),
        (
            (300, 930),
            "The picture is too narrow: its long side may be at most 2.5 times the short one; this one is 3.1.",
        ),
        (
            (751, 300),
            "The picture is too wide: its long side may be at most 2.5 times the short one; this one is 2.51.",
        ),
    ],
)
def test_sides_and_shape_are_checked_in_words(size: tuple[int, int], sentence: str) -> None:
    assert pictures.refuses(BOUNDS, *size) == sentence
    content = written(Pillow.new("L", size), "PNG")
    if sentence:
        assert refusal(content) == sentence
    else:
        assert opened(prepare(content, BOUNDS)).size == size


def test_sides_are_named_as_the_picture_stands() -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION] = 6
    assert refusal(written(Pillow.new("L", (900, 280)), "JPEG", exif=exif)).startswith("The picture is 280 × 900")


def test_a_png_that_is_too_large_becomes_a_jpeg_and_says_so() -> None:
    prepared = prepare(written(noise((400, 400)), "PNG"), PictureBounds(max_bytes=2**18))
    assert prepared.media_type == "image/jpeg"
    assert prepared.said == "Saved as JPEG, because the provider takes at most 0.25 MB."
    assert len(prepared.content) <= 2**18


def test_a_jpeg_that_is_too_large_is_compressed_more_and_says_so() -> None:
    content = written(noise((400, 400)), "JPEG", quality=95, subsampling=0)
    prepared = prepare(content, PictureBounds(max_bytes=len(content) * 3 // 4))
    assert (prepared.width, prepared.height) == (400, 400)
    assert prepared.said.startswith("Compressed more strongly, because the provider takes at most")


def test_what_is_still_too_large_is_made_smaller_and_says_so() -> None:
    exif = Pillow.Exif()
    exif[ORIENTATION] = 6
    prepared = prepare(written(noise((1500, 1250)), "JPEG", exif=exif), PictureBounds(max_bytes=2**20))
    assert prepared.said == "Made smaller: 1,250 × 1,500 → 800 × 960, because the provider takes at most 1 MB."
    assert opened(prepared).size == (800, 960)


def test_what_was_transparent_becomes_white_where_only_a_jpeg_fits() -> None:
    picture = noise((700, 500), "RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 350, 500))
    content = written(picture, "PNG")
    prepared = prepare(content, PictureBounds(max_bytes=2**18))
    assert prepared.said == (
        "Saved as JPEG, because the provider takes at most 0.25 MB. What was transparent is white now."
    )
    assert close(opened(prepared).crop((0, 0, 340, 500)), Pillow.new("RGB", (340, 500), "white"))
    smaller = prepare(content, PictureBounds(max_bytes=2**17)).said
    assert smaller.startswith("Saved as JPEG and made smaller: 700 × 500 → 560 × 400, because the provider takes")


def test_a_camera_s_large_jpeg_is_decoded_at_half_its_size() -> None:
    prepared = prepare(written(photo().resize((6200, 4100)), "JPEG"), BOUNDS)
    assert (prepared.width, prepared.height) == (3100, 2050)
    assert prepared.said == (
        "Made smaller: 6,200 × 4,100 → 3,100 × 2,050, because a reference has at most 25 million pixels."
    )


def test_what_cannot_be_made_to_fit_is_refused() -> None:
    tight = PictureBounds(max_bytes=20 * 1024)
    assert refusal(written(noise((320, 320)), "PNG"), tight) == (
        "The picture does not fit into 0.0195 MB. Choose a simpler one."
    )


@settings(max_examples=60, deadline=None)
@given(
    short=st.integers(20, 60),
    long=st.integers(20, 150),
    high=st.booleans(),
    kilobytes=st.integers(1, 8),
    form=st.sampled_from(["PNG", "JPEG"]),
)
def test_whatever_is_kept_is_within_bounds_and_whatever_is_not_was_outside(
    short: int, long: int, high: bool, kilobytes: int, form: str
) -> None:
    bounds = PictureBounds(max_bytes=kilobytes * 1024, min_side=30, ratio=2.5)
    size = (short, long) if high else (long, short)
    content = written(noise(size), form)
    if min(size) < 30 or max(size) > 2.5 * min(size):
        assert refusal(content, bounds)
        return
    with suppress(BadPicture):  # where it cannot be made small enough
        prepared = prepare(content, bounds)
        assert pictures.refuses(bounds, prepared.width, prepared.height, len(prepared.content)) == ""
        assert opened(prepared).size == (prepared.width, prepared.height)
        assert ("made smaller" in prepared.said.lower()) == (opened(prepared).size != size)


UPSIDE_DOWN = Pillow.Exif()
UPSIDE_DOWN[ORIENTATION] = 3
SEEDS = [
    written(quarters().resize((24, 20)), form, icc_profile=profile(), exif=UPSIDE_DOWN) for form in pictures.FORMATS
]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_a_damaged_file_is_used_or_refused_and_nothing_else(seed: bytes, data: st.DataObject) -> None:
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadPicture):
        opened(prepare(bytes(content[: data.draw(st.integers(1, len(content)))]), PictureBounds(min_side=1)))


# What it costs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_the_largest_picture_needs_a_few_hundred_megabytes(form: str, tmp_path: Path) -> None:
    size = (7900, 7900) if form == "JPEG" else (5000, 5000)
    (tmp_path / "large").write_bytes(written(photo().resize(size), form, **({} if form == "JPEG" else {"method": 0})))
    child = """
        import resource, sys
        from pathlib import Path
        from generations import pictures
        from generations.providers.fields import PictureBounds
        resource.setrlimit(resource.RLIMIT_AS, (640 * 2**20,) * 2)
        print(pictures.prepare(Path(sys.argv[1]).read_bytes(), PictureBounds()).media_type)
    """
    command = [sys.executable, "-c", textwrap.dedent(child), str(tmp_path / "large")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("image/jpeg", "")
