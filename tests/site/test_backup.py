"""A backup holds one moment of an installation that runs; restored elsewhere, nothing is paid twice or lost."""

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from generations.models import Generation, Status
from klingweb.backups import BackupError, database
from tests.faults.house import HURRY, ROAD, Database, House, send
from tests.road import Ask, finish
from tests.site.conftest import Installation
from tests.site.processes import ROOT, Start
from tests.site.served import heartbeats, sign_in

NewDatabase = Callable[[str], Database]
KEYS = ("secret_key", "encryption_keys")


@pytest.fixture
def new_database(tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes empty databases in folders of these names, and drops them."""
    with ExitStack() as stack:

        def make(name: str) -> Database:
            made = Database(tmp_path / name)
            stack.callback(made.drop)
            return made

        yield make


@pytest.fixture
def new(new_database: NewDatabase) -> Database:
    return new_database("elsewhere")


@pytest.fixture
def elsewhere(new: Database, start: Start) -> Installation:
    """An installation of which nothing is there yet, with a database of the same kind as the tests'."""
    made = Installation(new.folder, start)
    made.environ["KLINGWEB_DATABASE_URL"] = new.url
    return made


def backup(file: Path, *arguments: str) -> str:
    """Back up the tests' own installation; what it says."""
    said = io.StringIO()
    call_command("backup", str(file), *arguments, stderr=said)
    return said.getvalue()


def parts(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as archive:
        return {each.name: content.read() for each in archive if (content := archive.extractfile(each))}


def rewritten(file: Path, changes: dict[str, bytes | None]) -> Path:
    """The backup with some of its parts replaced, or left out."""
    other = file.with_name("other.tar")
    with tarfile.open(other, "w") as archive:
        for name, content in (parts(file) | changes).items():
            if content is not None:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return other


def restore(where: Installation, file: Path) -> subprocess.CompletedProcess[str]:
    return where.manage("restore", str(file))


def refusal(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


# Backing up -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_backup_holds_the_database_and_each_file_that_it_names(ask: Ask, tmp_path: Path) -> None:
    images = finish(ask(), 2)
    said = backup(tmp_path / "b.tar")
    assert "The keys are not in it" in said
    found = parts(tmp_path / "b.tar")
    assert next(iter(found)) == "manifest.json"
    assert list(found)[-1] == "complete.json"
    assert [hashlib.sha256(found[f"files/{each.file}"]).hexdigest() for each in images] == [e.sha256 for e in images]
    assert json.loads(found["complete.json"]) == {"files": 6, "gone": []}
    assert not [name for name in found if name.startswith("keys/")]
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db(transaction=True)
def test_a_file_that_is_deleted_meanwhile_is_named(ask: Ask, tmp_path: Path) -> None:
    image = finish(ask())[0]
    default_storage.delete(image.file)
    assert f"Deleted meanwhile, so not in it: {image.file}" in backup(tmp_path / "b.tar")
    assert json.loads(parts(tmp_path / "b.tar")["complete.json"]) == {"files": 2, "gone": [image.file]}


@pytest.mark.django_db(transaction=True)
def test_what_is_written_while_the_database_is_copied_is_not_in_it(ask: Ask, tmp_path: Path) -> None:
    generation = ask("A heron at dawn")
    with database.one_moment() as copy, ThreadPoolExecutor(1) as other:
        other.submit(rename, "An owl at dusk").result()
        copy(tmp_path / "copy")
        assert Generation.objects.get().prompt == "A heron at dawn"
    copied = (tmp_path / "copy").read_bytes()
    assert (b"A heron at dawn" in copied, b"An owl at dusk" in copied) == (True, False)
    generation.refresh_from_db()
    assert generation.prompt == "An owl at dusk"


def rename(prompt: str) -> None:
    Generation.objects.update(prompt=prompt)
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_no_backup_is_written_over_and_none_is_left_in_part(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "b.tar").touch()
    with pytest.raises(CommandError, match="Choose another name"):
        backup(tmp_path / "b.tar")
    with pytest.raises(CommandError, match="could not be written"):
        backup(tmp_path / "nowhere" / "b.tar")
    settings.DATA_DIR = tmp_path / "nowhere"
    with pytest.raises(CommandError, match="could not be written"):
        backup(tmp_path / "c.tar")
    assert not [each for each in tmp_path.iterdir() if "c.tar" in each.name]


def test_a_backup_may_go_to_standard_output_and_keys_go_only_where_they_are_asked_for(
    installation: Installation, tmp_path: Path
) -> None:
    with (tmp_path / "b.tar").open("wb") as out:
        said = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "backup", "-", "--with-keys"],
            env=installation.environ,
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        ).stderr
    assert "whoever has this file can read everything" in said
    found = parts(tmp_path / "b.tar")
    for name in KEYS:
        assert found[f"keys/{name}"].decode() == (installation.folder / "keys" / name).read_text().strip()


@pytest.mark.django_db(transaction=True)
def test_without_its_programs_postgresql_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="Install PostgreSQL's client programs"):
        database._run("pg_dump", "--version")


@pytest.mark.django_db(transaction=True)
def test_what_a_program_complains_about_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho server version mismatch >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(BackupError, match="pg_dump did not succeed: server version mismatch"):
        database._run("pg_dump", "--version")


# Restoring ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_all_is_as_it_was_and_nothing_that_waits_is_simply_sent(
    ask: Ask, elsewhere: Installation, tmp_path: Path
) -> None:
    ended, waits, unknown = ask("ended"), ask("waits"), ask("unknown")
    images = finish(ended, 2)
    Generation.objects.filter(pk=unknown.pk).update(status=Status.UNCONFIRMED, doubts=1)
    backup(tmp_path / "b.tar", "--with-keys")
    said = restore(elsewhere, tmp_path / "b.tar")
    assert said.returncode == 0, said.stderr
    assert "3 generations" in said.stdout
    assert "2 requests may have been sent since" in said.stdout
    assert elsewhere.manage("prepare").returncode == 0
    for each in images:
        kept = elsewhere.folder / "media" / each.file
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == each.sha256
    rows = json.loads(elsewhere.manage("dumpdata", "generations.generation", "generations.event").stdout)
    found = {each["pk"]: each["fields"] for each in rows if each["model"] == "generations.generation"}
    assert found[str(ended.pk)]["status"] == "succeeded"
    assert [found[str(each.pk)]["status"] for each in (waits, unknown)] == ["unconfirmed"] * 2
    assert [found[str(each.pk)]["doubts"] for each in (waits, unknown)] == [1, 2]
    moves = [each["fields"] for each in rows if each["model"] == "generations.event"]
    reason = "Restored from a backup: it may have been sent since."
    assert sorted((e["before"], e["after"]) for e in moves if e["reason"] == reason) == [
        ("queued", "unconfirmed"),
        ("unconfirmed", "unconfirmed"),
    ]


@pytest.mark.django_db(transaction=True)
def test_what_is_missing_or_damaged_in_a_backup_is_named(ask: Ask, elsewhere: Installation, tmp_path: Path) -> None:
    spoilt, *gone = finish(ask(), 8)
    backup(tmp_path / "b.tar", "--with-keys")
    without = {name: None for name in parts(tmp_path / "b.tar") if any(str(each.pk) in name for each in gone)}
    said = restore(elsewhere, rewritten(tmp_path / "b.tar", {f"files/{spoilt.file}": b"?", **without})).stdout
    assert f"Files that are damaged: 1. {spoilt.file}." in said
    assert f"Files that are missing: 21. {min(each.file for each in gone)}, " in said


def test_an_installation_in_which_anything_is_stays_as_it_is(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "b.tar"
    assert installation.manage("backup", str(file), "--with-keys").returncode == 0
    assert "not empty" in refusal(restore(installation, file))


def test_where_klingweb_has_just_run_it_waits(installation: Installation, empty: Installation, tmp_path: Path) -> None:
    assert installation.manage("backup", str(tmp_path / "b.tar")).returncode == 0
    empty.manage("prepare")
    shutil.copytree(installation.folder / "keys", empty.folder / "keys", dirs_exist_ok=True)
    beat = "from generations.models import *; from django.utils.timezone import now; "
    empty.manage("shell", "--no-imports", "-c", f"{beat}Heartbeat.objects.create(cluster='fast', at=now())")
    assert heartbeats(empty)
    assert "Stop all of it" in refusal(restore(empty, tmp_path / "b.tar"))
    assert restore_later(empty, tmp_path / "b.tar").returncode == 0


def restore_later(where: Installation, file: Path) -> subprocess.CompletedProcess[str]:
    return where.manage("restore", str(file), KLINGWEB_HEARTBEAT_SILENCE="0.1")


def test_keys_come_from_the_backup_or_from_a_person_and_are_never_replaced(
    installation: Installation, empty: Installation, tmp_path: Path
) -> None:
    bare, full = tmp_path / "bare.tar", tmp_path / "full.tar"
    installation.manage("backup", str(bare))
    installation.manage("backup", str(full), "--with-keys")
    assert "The backup holds no keys" in refusal(restore(empty, bare))
    empty.manage("prepare")
    assert "The backup brings its own encryption keys" in refusal(restore(empty, full))
    said = restore(empty, bare).stdout
    assert said.count("opens with none of KLINGWEB_ENCRYPTION_KEYS") == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"complete.json": None}, "not a whole backup"),
        ({"manifest.json": b"?"}, "not a whole backup"),
        ({"manifest.json": b"[]"}, "not a whole backup"),
        ({"format": 2}, "newer klingweb"),
        ({"migrations": [["generations", "0099_unheard_of"]]}, "newer klingweb"),
        ({"database": "postgresql"}, "holds a PostgreSQL database, and klingweb uses SQLite"),
        ({"database/": None}, "not a whole backup"),
        ({"database/": b"?" * 4096}, "The database in this backup is damaged"),
        ({"files/../../up": b"?"}, "not a whole backup"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    installation: Installation, empty: Installation, tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    file = tmp_path / "b.tar"
    installation.manage("backup", str(file), "--with-keys")
    manifest = json.loads(parts(file)["manifest.json"])
    said = {name: value for name, value in changes.items() if name in manifest and value is not None}
    replaced = {name.rstrip("/"): value for name, value in changes.items() if name not in said}
    if said:
        replaced["manifest.json"] = json.dumps(manifest | said).encode()
    assert sentence in refusal(restore(empty, rewritten(file, replaced)))


def test_a_file_that_is_cut_off_or_is_not_there_is_refused(
    installation: Installation, empty: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar"
    installation.manage("backup", str(file))
    file.write_bytes(file.read_bytes()[:-20_000])
    assert "not a whole backup" in refusal(restore(empty, file))
    assert "No such file" in refusal(restore(empty, tmp_path / "nothing.tar"))


def test_after_an_interruption_nothing_starts_until_it_has_been_restored_again(
    installation: Installation, empty: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar"
    installation.manage("backup", str(file), "--with-keys")
    full = rewritten(file, {"files/originals/a.png": b"a picture", "complete.json": b"{}"})
    empty.folder.mkdir(parents=True)
    (empty.folder / "media").touch()  # where a folder is to be
    assert "When that is mended, restore again" in refusal(restore(empty, full))
    assert "klingweb.E006" in refusal(empty.manage("prepare"))
    (empty.folder / "media").unlink()
    assert restore(empty, full).returncode == 0
    assert (empty.folder / "media" / "originals" / "a.png").read_bytes() == b"a picture"
    assert empty.manage("prepare").returncode == 0


@pytest.mark.parametrize("command", ["serve", "web", "qcluster"])
def test_half_a_backup_is_not_served(installation: Installation, command: str) -> None:
    (installation.folder / "restoring").touch()
    assert "klingweb.E006" in refusal(installation.manage(command))


def test_an_older_backup_is_brought_up_to_date(installation: Installation, empty: Installation, tmp_path: Path) -> None:
    assert installation.manage("migrate", "sessions", "zero").returncode == 0
    file = tmp_path / "b.tar"
    assert installation.manage("backup", str(file), "--with-keys").returncode == 0
    assert restore(empty, file).returncode == 0
    assert empty.manage("migrate", "--check").returncode == 0


# With work in flight --------------------------------------------------------------------------------------------------


@pytest.mark.processes
def test_restored_elsewhere_with_work_in_flight_nothing_is_paid_twice_and_all_pictures_are_found(
    new_database: NewDatabase, new: Database, elsewhere: Installation, start: Start, tmp_path: Path
) -> None:
    house = House(new_database("old"), start)
    asked = list(house.fill_the_road().asked.values())
    send(signal.SIGSTOP, house.started.left)
    said = house.installation.manage("backup", str(tmp_path / "b.tar"), "--with-keys")
    assert said.returncode == 0, said.stderr
    assert {house.status(each) for each in asked} == ROAD
    send(signal.SIGCONT, house.started.left)
    house.wait_for_the_end(asked)
    house.check(asked)
    paid = {each: house.posts(each) for each in asked}
    house.stop()

    said = restore(elsewhere, tmp_path / "b.tar")
    assert said.returncode == 0, said.stderr
    assert "2 requests may have been sent since" in said.stdout
    follow_provider(elsewhere, house.installation)
    assert elsewhere.manage("prepare").returncode == 0
    restored = Restored(elsewhere, new)
    restored.wait_for_the_end(asked)
    restored.check(asked)
    assert {each: restored.posts(each) for each in asked} == paid
    restored.stop()


class Restored(House):
    """A house that is served as it was restored, not made."""

    def __init__(self, installation: Installation, database: Database) -> None:
        self.installation, self.database, self.environ = installation, database, HURRY
        self.started = self.serve()
        self.client = sign_in(installation)


def follow_provider(installation: Installation, old: Installation) -> None:
    """The sandbox is a stranger's server: it stays where it was, and knows what it was asked."""
    installation.port = old.port
    installation.environ["KLINGWEB_PORT"] = str(old.port)
    for name in ("sandbox", "sandbox.sqlite3", "demo.txt"):
        shutil.copy(old.folder / name, installation.folder / name)
