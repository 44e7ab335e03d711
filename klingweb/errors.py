"""The page for what nobody has foreseen. It renders without the database."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def server_error(_request: HttpRequest) -> HttpResponse:
    """A database that is away, locked or full comes back, and the form may be sent again; all else is our mistake.

    Without the request, so that no context processor asks the database.
    """
    status = 503 if isinstance(sys.exception(), OperationalError | InterfaceError) else 500
    return HttpResponse(render_to_string(f"{status}.html"), status=status)
