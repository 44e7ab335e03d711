"""The real program in a simulated house: its database in memory, its clock, line, disk and queue those of a world."""

import gc
import logging
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.db.utils import ConnectionHandler
from django.utils import timezone

from generations import follower, images, queue
from generations.models import Image
from generations.providers import client
from klingweb import secrets
from tests.simulation import quick
from tests.simulation.clock import Inbox, Timer

if TYPE_CHECKING:
    from tests.simulation.world import World


class Stage:
    """Which world is played just now."""

    world: "World"
    ids: random.Random
    tables: tuple[str, ...] = ()


class SimulatedDatetime(datetime):
    """Stands where `django.utils.timezone` looks at the clock: models keep a reference to its `now` itself."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return Stage.world.clock.now if tz else Stage.world.clock.now.replace(tzinfo=None)


class Log(logging.Handler):
    """What the program says of itself, between what happens to it. A traceback is a mistake in the program."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        Stage.world.say("log", record.getMessage())
        if isinstance(error, Exception):
            Stage.world.violate("nothing crashes", f"{record.getMessage()} {error!r}", error=error)


# Building -------------------------------------------------------------------------------------------------------------


def build(*, silent: bool = True) -> None:
    """Once in a process: tables, and everything outside the program replaced."""
    logging.disable(logging.WARNING if silent else logging.NOTSET)
    logging.getLogger().handlers = [Log()]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.MIGRATION_MODULES = {each.label: None for each in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    Stage.tables = (*connection.introspection.table_names(), "sqlite_sequence")
    _replace_time_and_chance()
    _replace_what_is_outside()
    _replace_the_database()
    quick.remember()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _replace_time_and_chance() -> None:
    _put(os, urandom=lambda size: Stage.ids.randbytes(size))
    _put(timezone, datetime=SimulatedDatetime)
    _put(follower, time=SimpleNamespace(monotonic=_monotonic), threading=SimpleNamespace(Timer=_timer))
    _put(follower, queues=SimpleNamespace(SimpleQueue=_inbox, Empty=Empty))


def _replace_what_is_outside() -> None:
    _put(client, shared=lambda: Stage.world.network)
    _put(queue, enqueue=lambda *args, **more: Stage.world.enqueue(*args, **more), forget_failures=lambda: None)
    _put(images, incoming=lambda image: Path(f"/incoming/{image.pk}"), obstacle=lambda: "")
    _put(images, verify=_verify, store=_store, make_thumbnails=_make_thumbnails)
    _put(images, forget=lambda image: Stage.world.disk.kept.pop(image.file, None))
    _put(secrets, decrypt=lru_cache(maxsize=4096)(secrets.decrypt), _keys=lru_cache(maxsize=1)(secrets._keys))


def _replace_the_database() -> None:
    """Nothing of it, but each statement and each commit is a place where something may go wrong."""
    connection.ensure_connection()
    connection.connection.execute("PRAGMA secure_delete=OFF")  # in memory, nobody looks at what was deleted
    connection.connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    only = connections["default"]
    _put(ConnectionHandler, __getitem__=lambda _all, _alias: only)  # it is asked for with every statement
    connection.execute_wrappers.append(lambda *args: Stage.world.chaos.around_statement(*args))
    database: Any = connection
    commit = database._commit
    _put(database, _commit=lambda: Stage.world.chaos.around_commit(commit))


def _put(holder: Any, **new: Any) -> None:
    for name, value in new.items():
        setattr(holder, name, value)


@contextmanager
def inhabited(world: "World") -> Iterator[None]:
    """Everything is as on the first day, and belongs to this world."""
    Stage.world, Stage.ids = world, random.Random(-world.seed)
    random.seed(world.seed)
    raw = connection.connection
    raw.execute("PRAGMA foreign_keys=OFF")
    for table in Stage.tables:
        raw.execute(f'DELETE FROM "{table}"')
    raw.execute("PRAGMA foreign_keys=ON")
    connection.run_on_commit = []
    yield


# What stands for what -------------------------------------------------------------------------------------------------


def _monotonic() -> float:
    clock = Stage.world.clock
    return clock.elapsed + (clock.running.spent if clock.running else 0.0)


def _inbox() -> Inbox:
    world = Stage.world
    return Inbox(world.running(), world.tick, world.patience, world.disturb, world.chaos.at_answer, world.doubles)


def _timer(seconds: float, function: Any, args: list[Any]) -> Timer:
    return Timer(Stage.world.clock, seconds, function, args)


def _verify(path: Path) -> images.Verified:
    if not Stage.world.disk.arriving[path].startswith(b"picture"):
        raise images.NotAPicture("The file is not a whole picture.")
    return images.Verified("image/png", 64, 64)


def _store(image: Image, path: Path, _verified: images.Verified) -> str:
    name = f"originals/{image.pk}.png"
    Stage.world.chaos.at_send("a picture is stored")
    Stage.world.disk.kept[name] = Stage.world.disk.arriving[path]
    return name


def _make_thumbnails(image: Image) -> None:
    if image.file not in Stage.world.disk.kept:
        raise FileNotFoundError(image.file)
