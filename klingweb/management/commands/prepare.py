"""`manage.py prepare`: makes whatever is missing before klingweb can be served. May be run as often as one likes."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from generations import queue
from klingweb import demo, installation

STATIC_STAMP = ".static"


class Command(BaseCommand):
    """Says in sentences what it did."""

    help = "Make the data directory, keys and tables, collect static files, set the queue's schedules."
    requires_system_checks = ()  # made below, once there are keys

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="Also make a team to try it with, and use the sandbox.")

    def handle(self, *, demo: bool, **_options: Any) -> None:
        self._make_keys(with_demo=demo)
        self.check()
        self._prepare_database()
        self._collect_static()
        queue.ensure_schedules()
        if demo:
            self._make_demo()

    def _make_keys(self, *, with_demo: bool) -> None:
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = installation.make_keys()
        for file in made:
            self.stdout.write(f"Made {file}. Keep a copy: without it, stored secrets and sessions cannot be read.")
        if with_demo:
            try:
                demo.check_allowed()
            except demo.NotHereError as refusal:
                raise CommandError(str(refusal)) from None
        if (with_demo and demo.switch_sandbox_on()) or made:
            installation.start_again()

    def _prepare_database(self) -> None:
        if pending := installation.pending_migrations():
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
            self.stdout.write(f"Brought the database up to date: {pending} migrations.")
        else:
            self.stdout.write("The database is up to date.")
        if not settings.REDIS_URL:
            call_command("createcachetable", verbosity=0)

    def _collect_static(self) -> None:
        stamp, fingerprint = settings.STATIC_ROOT / STATIC_STAMP, installation.static_fingerprint()
        if stamp.exists() and stamp.read_text() == fingerprint:
            return
        call_command("collectstatic", verbosity=0, interactive=False, skip_checks=True)
        stamp.write_text(fingerprint)
        self.stdout.write("Collected the static files.")

    def _make_demo(self) -> None:
        self.stdout.write(f"\n{demo.ensure()}\nThis is also in {demo.FILE}.\n")
