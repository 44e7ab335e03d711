"""What the form says about faces in a picture and about the team's elements."""

from dataclasses import dataclass

from django.template import Library

from generations import queries
from generations.controls import Control
from generations.forms import CreateForm
from generations.models import Asset, Element
from generations.providers.exchange import Face
from generations.services import faces

register = Library()

AROUND = 0.2  # of a face's own size is shown around it


@dataclass(frozen=True)
class Crop:
    """A face cut out of a picture. `box` is the part that is shown, as an SVG's viewBox."""

    number: int
    box: str
    face: Face


@dataclass(frozen=True)
class Shown:
    """A picture in which the provider looks for faces. `asked` says that it has; `failed`, that it could not."""

    asset: Asset
    crops: tuple[Crop, ...]
    asked: bool
    failed: bool

    @property
    def numbers(self) -> list[int]:
        """Which faces can be chosen."""
        return [each.number for each in self.crops]


@register.simple_tag
def faces_for(form: CreateForm, control: Control) -> Shown | None:
    """`{% faces_for form control as faces %}`; None without a picture, or where the provider does not look."""
    provider = form.offer.provider
    asset = form.assets.get(str(form.raw.get(control.declared.of)))
    if not provider.faces or not asset:
        return None
    found = faces.known(asset, provider.slug)
    crops = (Crop(each.number, _box(each), each) for each in found or ())
    choosable = tuple(each for each in crops if each.number <= control.declared.at_most)
    return Shown(asset, choosable, found is not None, form.data.get("looked") == str(asset.pk))


@dataclass(frozen=True)
class Choices:
    """The team's elements, each with whether it is chosen; `others` are the ids that no element has."""

    known: tuple[tuple[Element, bool], ...]
    others: str


@register.simple_tag
def elements_for(form: CreateForm, control: Control) -> Choices:
    """`{% elements_for form control as elements %}`."""
    chosen = [each.strip() for each in str(control.value).split(",") if each.strip()]
    mine = queries.elements_of(form.credential.team).filter(provider=form.offer.provider.slug)
    known = tuple((each, each.element_id in chosen) for each in mine)
    named = {each.element_id for each, _ in known}
    return Choices(known, ", ".join(each for each in chosen if each not in named))


def _box(face: Face) -> str:
    """The face and a little of what is around it."""
    wide, high = max(1, face.width), max(1, face.height)
    sides = (face.x - wide * AROUND / 2, face.y - high * AROUND / 2, wide * (1 + AROUND), high * (1 + AROUND))
    return " ".join(f"{each:.0f}" for each in sides)
