"""`manage.py prepare` as a process, upon a directory that is not there yet, and again and again."""

import re
import sqlite3
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.site.conftest import Installation

pytestmark = pytest.mark.processes
PASSWORD = re.compile(r"^(\w+) +(\S+@demo\.example) +(\S{14})$", flags=re.MULTILINE)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def rows(installation: Installation, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(installation.folder / "klingweb.sqlite3") as database:
        found = list(database.execute(query))
    database.close()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file() and "sqlite3" not in file.name}


def test_it_makes_private_keys_tables_and_static_files(empty: Installation) -> None:
    ended = empty.manage("prepare")
    assert ended.returncode == 0, ended.stderr
    assert mode(empty.folder) == mode(empty.folder / "keys") == 0o700
    keys = [empty.folder / "keys" / name for name in ("secret_key", "encryption_keys")]
    assert [mode(key) for key in keys] == [0o600, 0o600]
    assert len(keys[0].read_text().strip()) >= 50
    Fernet(keys[1].read_text().strip())
    assert all(str(key) in ended.stdout for key in keys)
    assert (empty.folder / "static" / "staticfiles.json").exists()
    assert rows(empty, "select count(*) from cache") == [(0,)]
    assert rows(empty, "select count(*) from accounts_user") == [(0,)]
    assert not (empty.folder / "demo.txt").exists()
    assert not (empty.folder / "sandbox").exists()


def test_a_second_time_changes_nothing_and_says_so(installation: Installation) -> None:
    before = contents(installation.folder)
    ended = installation.manage("prepare", "--demo")
    assert ended.returncode == 0, ended.stderr
    assert contents(installation.folder) == before
    assert "The database is up to date." in ended.stdout
    assert "Made" not in ended.stdout
    assert "Collected" not in ended.stdout
    assert rows(installation, "select count(*) from accounts_user") == [(3,)]
    assert rows(installation, "select count(*) from generations_credential") == [(4,)]
    assert rows(installation, "select count(*) from accounts_membership") == [(3,)]


def test_the_queue_has_its_schedules_once(installation: Installation) -> None:
    expected = [
        ("generations.tasks.beat", "", "fast", 1),
        ("generations.tasks.beat", "", "klingweb", 1),
        ("generations.tasks.sweep", "", "klingweb", 1),
    ]
    query = "select func, coalesce(args, ''), cluster, minutes from django_q_schedule order by func, cluster"
    assert rows(installation, query) == expected
    assert installation.manage("prepare").returncode == 0
    assert rows(installation, query) == expected


def test_the_demo_prints_and_keeps_its_passwords(installation: Installation) -> None:
    ended = installation.manage("prepare", "--demo")
    file = installation.folder / "demo.txt"
    assert mode(file) == 0o600
    assert PASSWORD.findall(ended.stdout) == PASSWORD.findall(file.read_text())
    assert [found[0] for found in PASSWORD.findall(file.read_text())] == ["admin", "member", "viewer"]


def test_the_demo_has_new_passwords_when_their_file_is_lost(installation: Installation) -> None:
    file = installation.folder / "demo.txt"
    before = set(PASSWORD.findall(file.read_text()))
    hashes = rows(installation, "select email, password from accounts_user order by email")
    file.unlink()
    assert installation.manage("prepare", "--demo").returncode == 0
    assert not before & set(PASSWORD.findall(file.read_text()))
    changed = rows(installation, "select email, password from accounts_user order by email")
    assert all(old[0] == new[0] and old[1] != new[1] for old, new in zip(hashes, changed, strict=True))


def test_the_demo_keeps_its_passwords_when_the_database_is_lost(installation: Installation) -> None:
    before = (installation.folder / "demo.txt").read_text()
    (installation.folder / "klingweb.sqlite3").unlink()
    ended = installation.manage("prepare", "--demo")
    assert ended.returncode == 0, ended.stderr
    assert (installation.folder / "demo.txt").read_text() == before
    assert rows(installation, "select count(*) from accounts_user where password like 'pbkdf2%'") == [(3,)]


def test_the_demo_turns_the_sandbox_on_for_later_processes(installation: Installation) -> None:
    shown = installation.manage("diffsettings", "--all").stdout
    assert "SANDBOX = 'on'" in shown
    assert "SANDBOX = 'off'" in installation.manage("diffsettings", "--all", KLINGWEB_SANDBOX="off").stdout


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"KLINGWEB_SANDBOX": "off"}, "KLINGWEB_SANDBOX is off. Unset it or set it to on."),
        ({"KLINGWEB_PUBLIC_URL": "https://pictures.example.com"}, "set KLINGWEB_SANDBOX=public."),
    ],
)
def test_the_demo_is_refused_where_it_could_not_work(
    empty: Installation, environ: dict[str, str], sentence: str
) -> None:
    ended = empty.manage("prepare", "--demo", **environ)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (empty.folder / "sandbox").exists()


def test_the_demo_survives_the_loss_of_its_keys(installation: Installation) -> None:
    (installation.folder / "keys" / "encryption_keys").unlink()
    ended = installation.manage("prepare", "--demo")
    assert ended.returncode == 0, ended.stderr
    assert "Made" in ended.stdout


def test_keys_from_the_environment_make_no_files(empty: Installation) -> None:
    key = Fernet.generate_key().decode()
    ended = empty.manage("prepare", KLINGWEB_SECRET_KEY="x" * 50, KLINGWEB_ENCRYPTION_KEYS=key)
    assert ended.returncode == 0, ended.stderr
    assert not (empty.folder / "keys").exists()


def test_static_files_are_collected_again_when_they_were_lost(installation: Installation) -> None:
    (installation.folder / "static" / ".static").unlink()
    assert "Collected the static files." in installation.manage("prepare").stdout


def test_a_bad_variable_is_one_sentence(empty: Installation) -> None:
    ended = empty.manage("prepare", KLINGWEB_PORT="eighty")
    assert ended.returncode == 1
    assert ended.stderr.strip() == (
        "klingweb: KLINGWEB_PORT must be a whole number from 1 to 65535, for example KLINGWEB_PORT=8000"
    )
