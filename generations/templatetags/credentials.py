"""What templates say about credentials, and about what waits for one."""

from datetime import datetime
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import ordinal
from django.forms import BoundField
from django.template import Context, Library
from django.utils.html import format_html

from generations import dispatch, waiting
from generations.models import Credential, Generation, Image, Status
from generations.providers.registry import PROVIDERS
from generations.templatetags.pictures import moment

register = Library()


@register.filter
def provider_label(slug: str) -> str:
    """A provider's name."""
    return PROVIDERS[slug].label if slug in PROVIDERS else slug


@register.filter
def first_wrong(field: BoundField) -> bool:
    """Whether this is the first field with an error, which gets the focus."""
    return field.name == next((name for name in field.form.fields if name in field.form.errors), None)


@register.filter
def autocomplete(field: BoundField) -> str:
    """Keeps browsers from filling in what they know, and from offering to keep a secret."""
    return "new-password" if field.field.widget.input_type == "password" else "off"


@register.filter
def snag(generation: Generation) -> str:
    """Why a picture of it is not here yet, where it could not be brought home so far."""
    pending = (each for each in generation.images.all() if each.state == Image.State.PENDING)
    return next((each.problem for each in pending if each.problem), "")


@register.filter
def key_used(generation: Generation) -> str:
    """Which key it is made with, and where nobody chose one, how it came to that."""
    if not generation.open_credential:
        return str(generation.credential)
    if generation.status == Status.QUEUED or not generation.submitted_at:
        return "whichever has a free slot"
    return f"{generation.credential} · chosen by free slot"


@register.simple_tag(takes_context=True)
def waits_for(context: Context, generation: Generation, now: datetime) -> str:
    """What a queued generation waits for, after the word "Waiting"."""
    credential = generation.credential
    if credential.paused_at:
        return f"for {provider_label(credential.provider)}, {credential}, which is paused"
    if hasattr(generation.team, "sending_pause"):
        return "until an admin resumes sending"
    most = credential.daily_pictures
    if most is None:
        return generation.problem or _in_line(context, generation, now)
    left = most - _sent_today(context, credential, now)
    if generation.asked <= left:
        return generation.problem or _in_line(context, generation, now)
    if generation.asked > most:
        return f"in vain: {credential} may send {most} a day at most. Cancel it and ask for fewer"
    begins = moment(dispatch.next_day(now), "full")
    more = f"only {left} more" if left > 0 else "no more"
    return format_html("until {}: {} may send {} today", begins, credential, more)


def _in_line(context: Context, generation: Generation, now: datetime) -> str:
    """Its place in the line for its key. Places are asked for once for each page, however many cards wait."""
    known: dict[int, dict[UUID, int]] = vars(context["request"]).setdefault("places", {})
    if generation.team_id not in known:
        known[generation.team_id] = waiting.places(generation.team_id, now)
    place = known[generation.team_id].get(generation.pk)
    if place is None:
        return "for a free slot"
    return f"{'next' if place == 1 else ordinal(place)} in line for {key_used(generation)}"


def _sent_today(context: Context, credential: Credential, now: datetime) -> int:
    """Asked once for each page, however many cards wait on it."""
    known: dict[int, int] = vars(context["request"]).setdefault("sent_today", {})
    if credential.pk not in known:
        known[credential.pk] = dispatch.sent_today(credential, now)
    return known[credential.pk]
