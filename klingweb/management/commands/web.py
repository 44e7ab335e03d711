"""`manage.py web`: the web server by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.servers.basehttp import get_internal_wsgi_application

from klingweb import installation
from klingweb.server import CannotListen, Server


class Command(BaseCommand):
    """One of the three processes that `serve` runs together."""

    help = "Run the web server alone, until SIGTERM or Ctrl+C; requests that run are finished."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, help="The port to listen on; else KLINGWEB_PORT.")

    def handle(self, *, port: int | None, **_options: Any) -> None:
        installation.start_on_port(port)
        try:
            application = get_internal_wsgi_application()
            server = Server(application, settings.BIND, settings.PORT, settings.TRUSTED_PROXY_COUNT)
        except CannotListen as refusal:
            raise CommandError(str(refusal)) from None
        server.run()
