"""Times and days are said in the reader's own zone, which the script of the pages leaves in a cookie."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

COOKIE = "zone"


def reader_zone(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. Whoever sends no zone, or one that is none, reads UTC."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        with timezone.override(zone_of(request.COOKIES.get(COOKIE, ""))):
            return get_response(request)

    return respond


def zone_of(name: str) -> tzinfo:
    """The zone of this name, or UTC."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # unknown, not a name at all, or a folder of names
        return UTC
