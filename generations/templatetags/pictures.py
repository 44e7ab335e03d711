"""What templates say about pictures: shapes, prices, durations and moments in plain words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from django.template import Library
from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generations import ledger, pace, pricing, queries
from generations.controls import Control
from generations.forms import CreateForm
from generations.lifecycle import TERMINAL, UNFINISHED
from generations.models import Asset, Charge, Generation, Image, Reference, Status
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation
from generations.services import following

register = Library()

RATIOS = {
    "21-9": 21 / 9,
    "16-9": 16 / 9,
    "3-2": 3 / 2,
    "4-3": 4 / 3,
    "1-1": 1.0,
    "3-4": 3 / 4,
    "2-3": 2 / 3,
    "9-16": 9 / 16,
}
LATE = timedelta(minutes=3)
FORMATS = {"time": "H:i", "seconds": "H:i:s", "day": "j F", "full": "j F H:i"}


# Shapes ---------------------------------------------------------------------------------------------------------------


def proportion(shape: str) -> float:
    """Width by height of a shape such as `3:4`; 1 for any other word."""
    width, _, height = shape.partition(":")
    return int(width) / int(height) if width.isdecimal() and height.isdecimal() and int(height) and int(width) else 1.0


def nearest(ratio: float) -> str:
    """The drawn ratio that a picture is shown in."""
    return min(RATIOS, key=lambda name: abs(math.log(RATIOS[name] / ratio)))


@register.filter
def drawn(shape: str) -> str:
    """The classes of a shape that is drawn to be picked."""
    ratio = proportion(shape)
    side = "even" if ratio == 1 else "wide" if ratio > 1 else "tall"
    return f"{side} ar-{nearest(ratio)}"


@register.filter
def widest_first(options: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Shapes in the order in which they are drawn; a word for none of them comes first."""
    return sorted(options, key=lambda option: (":" in option[0], -proportion(option[0])))


@register.filter
def shape_of(asset: Asset) -> str:
    """The drawn ratio that is nearest to a picture: `3:4`."""
    return nearest(asset.width / asset.height).replace("-", ":")


@register.simple_tag
def shapes() -> list[str]:
    """The drawn ratios, the widest first."""
    return [name.replace("-", ":") for name in RATIOS]


# The form -------------------------------------------------------------------------------------------------------------


@register.filter
def of_kind(controls: Iterable[Control], kinds: str) -> list[Control]:
    """The plain controls of these kinds."""
    return [each for each in controls if not each.advanced and each.kind in kinds.split()]


@register.filter
def besides(controls: Iterable[Control], kinds: str) -> list[Control]:
    """The plain controls of all other kinds."""
    return [each for each in controls if not each.advanced and each.kind not in kinds.split()]


@register.filter
def grouped(controls: Iterable[Control]) -> list[list[Control]]:
    """Those that are drawn together: a row of slots, the sides of a canvas; any other by itself."""
    return [list(group) for _, group in groupby(controls, key=attrgetter("group"))]


@register.filter
def advanced(controls: Iterable[Control]) -> list[Control]:
    """The controls that are folded away."""
    return [each for each in controls if each.advanced]


@register.filter
def wrong(controls: Iterable[Control]) -> list[Control]:
    """The controls that have an error."""
    return [each for each in controls if each.error]


@register.filter
def filled(controls: Iterable[Control]) -> list[Control]:
    """The controls that have a value."""
    return [each for each in controls if each.value not in ("", False)]


@register.simple_tag
def scent(form: CreateForm, model_name: str) -> str:
    """What tells a model from the others: its name, price and usual time."""
    operation = form.operation
    values = {**form.cleaned.values, operation.named("model"): model_name}
    price, capability = operation.price(values), operation.capability(values)
    parts = [model_name, pricing.in_words(price.usd, price.per_picture, price.unit) if price else "no price"]
    if usual := form.usual_of(model_name, capability):
        parts.append(about(usual))
    return " · ".join(parts)


# Words ----------------------------------------------------------------------------------------------------------------


@register.filter
def duration(seconds: float) -> str:
    """`14 s`, `1 min 52 s`, `2 h 5 min`."""
    minutes, left = divmod(max(0, int(seconds)), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


@register.filter
def about(seconds: int) -> str:
    """A usual duration, no more exact than it can be: `about 30 s`."""
    return f"about {duration(5 * round(seconds / 5) if seconds > 10 else seconds).removesuffix(' 0 s')}"


@register.filter
def money(generation: Generation) -> str:
    """What it was going to cost when it was asked for, or that this is not known."""
    if generation.estimate is None:
        return "cost unknown"
    return pricing.in_words(generation.estimate_usd, generation.estimate, generation.estimate_unit)


@register.filter
def first_words(text: str) -> str:
    """The first five words of a prompt."""
    return " ".join(text.split()[:5])


@register.filter
def headline(generation: Generation) -> str:
    """What tells it from others: its prompt; without one, what was done."""
    operation = operation_of(generation)
    return generation.prompt or (operation.label if operation else generation.operation)


@register.filter
def place(reference: Reference) -> str:
    """What a picture was for: `Subject 1`."""
    operation = operation_of(reference.generation)
    fields = operation.fields if operation else ()
    return next((each.label for each in fields if each.name == reference.field), "Reference")


def operation_of(generation: Generation) -> Operation | None:
    """What was asked for, as declared; None where it is declared no more."""
    provider = PROVIDERS.get(generation.provider)
    return provider.operation(generation.operation) if provider else None


@register.filter
def alt(image: Image) -> str:
    """What is known of a picture, never what is guessed."""
    generation = image.generation
    which = f"Picture {image.number} of {generation.asked}" if generation.asked > 1 else "Picture"
    clock = dateformat.format(timezone.localtime(generation.created), FORMATS["time"])
    return ", ".join(filter(None, [f"{which}: {first_words(headline(generation))}", person_name(generation), clock]))


@register.filter
def person_name(generation: Generation) -> str:
    """Who asked for it; empty where that person is gone."""
    return generation.person.display_name if generation.person else ""


@register.simple_tag
def moment(value: datetime, form: str) -> SafeString:
    """A `time` element, which the page's script turns to the reader's own zone."""
    local = timezone.localtime(value)
    text = dateformat.format(local, FORMATS[form])
    return format_html('<time datetime="{}" data-as="{}">{}</time>', local.isoformat(), form, text)


@register.simple_tag
def day_name(value: datetime, now: datetime) -> str:
    """`Today`, `Yesterday`, else the date, with the year only where it is another one."""
    day, today = timezone.localtime(value).date(), timezone.localtime(now).date()
    named = {today: "Today", today - timedelta(days=1): "Yesterday"}
    return named.get(day) or dateformat.format(day, "j F" if day.year == today.year else "j F Y")


@register.filter
def news(generation: Generation) -> str:
    """What a screen reader says when a generation has come to an end; empty while it is on its way."""
    words = first_words(headline(generation))
    kept = len(queries.kept(generation))
    said = {
        Status.SUCCEEDED: f"{kept} {'picture is' if kept == 1 else 'pictures are'} here: {words}.",
        Status.FAILED: f"Failed: {words}. {generation.problem}",
        Status.UNCONFIRMED: f"Nobody knows what became of: {words}.",
        Status.CANCELED: f"Canceled: {words}.",
    }
    return said.get(Status(generation.status), "")


# Cards ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """What a page says about a generation at a moment."""

    generation: Generation
    now: datetime

    @property
    def provider(self) -> str:
        """The name of who makes it."""
        known = PROVIDERS.get(self.generation.provider)
        return known.label if known else self.generation.provider

    @property
    def made_by(self) -> str:
        """The model; what was done where there is none to choose."""
        operation = operation_of(self.generation)
        return self.generation.model_name or (operation.label if operation and self.generation.prompt else "")

    @property
    def resolution(self) -> str:
        """The resolution that was asked for, where the operation has one."""
        return self._meant("resolution")

    @property
    def pictures(self) -> list[Image]:
        """The pictures that are here."""
        return queries.kept(self.generation)

    @property
    def tiles(self) -> Sequence[Image | int]:
        """A picture or a number for each place; once nothing more will come, only the pictures."""
        if not self.unfinished:
            return self.pictures
        here = {each.number: each for each in self.pictures}
        return [here.get(number, number) for number in range(1, self.generation.asked + 1)]

    @property
    def sets(self) -> list[Sequence[Image | int]]:
        """The tiles in as many sets as a row can take: two landscapes, four of the others."""
        size = 2 if RATIOS[self._ratio] > 1 else 4
        return [self.tiles[start : start + size] for start in range(0, len(self.tiles), size)]

    @property
    def shape(self) -> str:
        """The class of the ratio: as measured, else as asked for."""
        return f"ar-{self._ratio}"

    @property
    def columns(self) -> str:
        """The class of how many stand side by side in a card."""
        count = len(self.tiles)
        if RATIOS[self._ratio] > 1:
            return "cols-3" if count > 4 else "cols-2"
        return "cols-3" if count == 3 else "cols-4" if count > 1 else "cols-2"

    @property
    def moving(self) -> bool:
        """Whether it may still change: everything that has not ended."""
        return self.generation.status not in TERMINAL

    @property
    def unfinished(self) -> bool:
        """Whether anything more is going to happen by itself."""
        return self.generation.status in UNFINISHED

    @property
    def ended_empty(self) -> bool:
        """Whether it came to an end without pictures, or nobody knows."""
        return self.generation.status in (Status.FAILED, Status.CANCELED, Status.UNCONFIRMED)

    @property
    def noted(self) -> bool:
        """Whether a note stands in place of the pictures."""
        waits = self.generation.status == Status.QUEUED and self.generation.credential.paused_at is not None
        return self.ended_empty or waits

    @property
    def at_work(self) -> bool:
        """Whether the provider has it."""
        return self.generation.status in (Status.SUBMITTING, Status.RUNNING)

    @property
    def may_be_let_go(self) -> bool:
        """Whether its provider can still be asked to let go of it."""
        return self.generation.provider in PROVIDERS and following.may_be_let_go(self.generation)

    @property
    def charged(self) -> str:
        """What it has cost in the end, as far as that is known."""
        charge = queries.charge_of(self.generation)
        if charge is None or charge.state == Charge.State.RESERVED:
            return "not known yet"
        if charge.state == Charge.State.RELEASED:
            return "nothing that is known of" if self.generation.submitted_at else "nothing, it was never sent"
        if charge.settled is None:
            return f"{self.provider} does not say"
        amount = pricing.in_words(charge.settled_usd, charge.settled, charge.unit)
        if charge.settled_usd is not None and charge.unit != ledger.USD:
            amount = f"{pricing.in_words(None, charge.settled, charge.unit)}, {amount}"
        return f"{amount}, as {self.provider} says" if charge.told else f"about {amount}, by its price"

    @property
    def elapsed(self) -> int:
        """Seconds since it was sent."""
        return int((self.now - (self.generation.submitted_at or self.now)).total_seconds())

    @property
    def usual(self) -> int | None:
        """How many seconds it usually takes: as it did here, else as its provider says."""
        if learned := pace.usual(getattr(self.generation, "pace", None)):
            return learned
        operation = operation_of(self.generation)
        capability = operation.capability(self.generation.values) if operation else None
        return capability.usual_seconds if capability else None

    @property
    def soon(self) -> str:
        """From when until when it may be done any moment, in seconds since it was sent: `18 47`."""
        usual = self.usual or 0
        return f"{usual * 3 // 5} {usual * 3 // 2 + 2}"

    @property
    def late_after(self) -> int:
        """How many seconds are longer than usual."""
        longest = int(LATE.total_seconds())
        return min(3 * self.usual, longest) if self.usual else longest

    @property
    def late(self) -> bool:
        """Whether it takes longer than usual."""
        return self.at_work and self.elapsed > self.late_after

    @property
    def took(self) -> int | None:
        """Seconds from sending it to its end."""
        generation = self.generation
        if not generation.finished_at or not generation.submitted_at:
            return None
        return int((generation.finished_at - generation.submitted_at).total_seconds())

    @property
    def shortfall(self) -> str:
        """Why fewer pictures are here than were asked for."""
        made = list(self.generation.images.all())
        lost = [each for each in made if each.state == Image.State.LOST]
        if self.generation.status != Status.SUCCEEDED or len(self.pictures) >= self.generation.asked:
            return ""
        if lost:
            return f"{len(lost)} could not be brought home. {lost[0].problem}".strip()
        return f"{self.provider} made no more than {len(made)}."

    @property
    def _ratio(self) -> str:
        measured = next((each for each in self.pictures if each.width and each.height), None)
        if measured and measured.width and measured.height:
            return nearest(measured.width / measured.height)
        return nearest(proportion(self.generation.shape))

    def _meant(self, meaning: str) -> str:
        operation = operation_of(self.generation)
        value = operation.meant(self.generation.values, meaning) if operation else None
        return "" if value is None else str(value)


@register.simple_tag
def card(generation: Generation, now: datetime) -> Card:
    """`{% card generation now as card %}`."""
    return Card(generation, now)
