"""`manage.py serve`: the web server and both queue clusters, watched over until Ctrl+C."""

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections, connections

from generations import queue
from generations.models import Heartbeat
from generations.services import submission
from klingweb import installation, server
from klingweb.env import PREFIX
from klingweb.supervisor import PAID_GRACE, Program, Supervisor, Watch

PREPARE_FIRST = "Run `manage.py prepare` first."


class Command(BaseCommand):
    """All of klingweb in one terminal."""

    help = "Run the web server and both queue clusters until Ctrl+C. One that ends by itself ends the others."
    requires_system_checks = ()  # made below, after what can be said in one sentence

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, help="The port to listen on; else KLINGWEB_PORT.")

    def handle(self, *, port: int | None, **_options: Any) -> None:
        installation.start_on_port(port)
        refuse_unprepared()
        self.check()
        with only_one(settings.DATA_DIR / "serve.lock"), tempfile.TemporaryDirectory(prefix="klingweb-") as folder:
            try:
                server.check_free(settings.BIND, settings.PORT)
            except server.CannotListen as refusal:
                raise CommandError(str(refusal)) from None
            code = self._supervisor(Path(folder) / "stop").run()
        sys.exit(code)

    def _supervisor(self, stop_file: Path) -> Supervisor:
        return Supervisor(
            programs(stop_file),
            Watch(
                Queues(),
                (queue.DEFAULT, queue.FAST),
                every=settings.HEARTBEAT_EVERY,
                silence=settings.HEARTBEAT_SILENCE,
                paying=queue.FAST,
                paid_grace=PAID_GRACE * settings.PACE,
            ),
            stop_file=stop_file,
            ready=lambda: server.answers(settings.LOCAL_HOST.strip("[]"), settings.PORT),
            announce=f"klingweb is ready at {settings.PUBLIC_URL}/ (Ctrl+C stops it).",
            say=self._say,
            paid_grace=PAID_GRACE * settings.PACE,
        )

    def _say(self, sentence: str) -> None:
        try:
            self.stdout.write(sentence)
            self.stdout.flush()
        except OSError:  # the terminal was closed; what is still to do must be done all the same
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Queues:
    """What the supervisor asks of the queue, each time with a connection that is known to work."""

    def nudge(self) -> None:
        close_old_connections()
        queue.nudge_follower()
        queue.enqueue("generations.tasks.sweep")

    def stand_by(self) -> None:
        close_old_connections()
        queue.nudge_follower()

    def beat(self, cluster: str) -> None:
        close_old_connections()
        queue.enqueue("generations.tasks.beat", cluster=cluster)

    def last_beat(self, cluster: str) -> datetime | None:
        close_old_connections()
        return Heartbeat.objects.filter(cluster=cluster).values_list("at", flat=True).first()

    def open_submissions(self) -> int:
        close_old_connections()
        return submission.count_open()


def programs(stop_file: Path) -> list[Program]:
    """What runs. Checks were made before, once for all."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    shared = {f"{PREFIX}STOP_FILE": str(stop_file)}
    cluster = [*manage, "qcluster", "--skip-checks"]
    return [
        Program("web server", [*manage, "web", "--skip-checks"], shared),
        Program("fast cluster", cluster, {**shared, "Q_CLUSTER_NAME": queue.FAST}, cluster=queue.FAST),
        Program("default cluster", cluster, {**shared, "Q_CLUSTER_NAME": queue.DEFAULT}, cluster=queue.DEFAULT),
    ]


def refuse_unprepared() -> None:
    """Raises CommandError unless `prepare` has done its work."""
    if installation.missing_keys():
        raise CommandError(f"There are no keys yet. {PREPARE_FIRST}")
    try:
        pending = installation.pending_migrations()
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        raise CommandError(
            f"The database cannot be used: {reason}. See KLINGWEB_DATABASE_URL. {PREPARE_FIRST}"
        ) from None
    finally:
        connections.close_all()
    if pending:
        raise CommandError(f"The database is not up to date. {PREPARE_FIRST}")
    if not (settings.STATIC_ROOT / "staticfiles.json").exists():
        raise CommandError(f"The static files are not collected. {PREPARE_FIRST}")


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Hold a lock that vanishes with this process. Raises CommandError if another `serve` holds it."""
    with file.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip()
            raise CommandError(
                f"klingweb already runs on this data directory ({holder}). Stop it first, or set KLINGWEB_DATA_DIR."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, port {settings.PORT}\n")
        lock.flush()
        yield
