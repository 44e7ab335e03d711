"""What every template may ask for."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from klingweb.accounts import access
from klingweb.accounts.models import Team


def team(request: HttpRequest) -> dict[str, object]:
    """`membership` and `team` (the current ones) and `teams`. A template that asks for none costs no query."""

    def current() -> Team | None:
        own = access.current_membership(request)
        return own.team if own else None

    return {
        "membership": SimpleLazyObject(lambda: access.current_membership(request)),
        "team": SimpleLazyObject(current),
        "teams": SimpleLazyObject(lambda: [own.team for own in access.memberships(request)]),
    }
