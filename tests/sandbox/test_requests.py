"""What the sandbox says about itself and remembers."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from klingweb.sandbox import database, store
from klingweb.sandbox.scenarios import SCENARIOS
from tests.sandbox.conftest import GENERATIONS, KEY, START, Kling


def test_home_lists_every_scenario_with_a_sentence() -> None:
    home = Client().get("/sandbox/").json()
    assert home["scenarios"] == SCENARIOS
    assert {"kling", "kkiai", "kkiai-b", "kkiai-c", "kkiai-d", "kkiai-e", "kkiai-f"} <= home["base_urls"].keys()
    assert all(url.startswith(f"http://testserver/sandbox/{dialect}") for dialect, url in home["base_urls"].items())
    assert all(word[0] == "[" and word[-1] == "]" and sentence[-1] == "." for word, sentence in SCENARIOS.items())


def test_requests_tell_what_was_asked_and_how_it_was_answered(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made(external_task_id="mine")
    kling.create(n=0, external_task_id="other")
    kling.task("mine")
    told = kling.asked()
    assert (told["posts"], told["accepted"]) == (2, 1)
    shared = {"at": int(START.timestamp() * 1000), "dialect": "kling"}
    posted = shared | {"method": "POST", "path": GENERATIONS}
    assert told["requests"] == [
        posted | {"id": 1, "external_task_id": "mine", "task_id": task_id, "accepted": True, "status": 200, "code": 0},
        posted | {"id": 2, "external_task_id": "other", "task_id": "", "accepted": False, "status": 400, "code": 1201},
        shared
        | {"method": "GET", "path": f"{GENERATIONS}/mine", "id": 3, "external_task_id": "mine", "task_id": task_id}
        | {"accepted": False, "status": 200, "code": 0},
    ]


def test_requests_can_be_chosen_by_name_and_dialect(kling: Kling) -> None:
    kling.made(external_task_id="mine")
    kling.made(external_task_id="other")
    kling.client.get("/sandbox/files/" + "0" * 32 + "-0.png")
    assert kling.asked(external_task_id="mine")["posts"] == 1
    assert [entry["dialect"] for entry in kling.asked(dialect="files")["requests"]] == ["files"]
    assert kling.asked(dialect="kling")["accepted"] == 2


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.1", 404)])
def test_requests_are_shown_on_this_machine_only(address: str, status: int) -> None:
    assert Client(REMOTE_ADDR=address).get("/sandbox/requests").status_code == status


def test_posts_are_remembered_and_old_queries_forgotten(kling: Kling, clock: time_machine.Traveller) -> None:
    kling.task(kling.made())
    clock.shift(25 * 3600)
    kling.get(GENERATIONS)
    assert [entry["id"] for entry in kling.asked()["requests"]] == [1, 3]


def test_a_lost_answer_leaves_a_task_and_no_status(kling: Kling) -> None:
    kling.client.post(
        GENERATIONS,
        {"prompt": "[lost-answer]", "external_task_id": "mine"},
        content_type="application/json",
        headers=KEY,
    )
    entry = kling.asked()["requests"][0]
    assert (entry["accepted"], entry["status"], entry["code"]) == (True, None, None)
    assert kling.task("mine")["task_id"] == entry["task_id"]


def test_a_process_that_dies_before_it_answers_leaves_a_task_that_can_be_counted(
    kling: Kling, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(store, "close_visit", lambda _visit: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            kling.create(external_task_id="mine")
    told = kling.asked(external_task_id="mine")
    assert (told["posts"], told["accepted"], told["requests"][0]["status"]) == (1, 1, None)


def test_many_threads_may_begin_at_once(kling: Kling, settings: Settings) -> None:
    settings.SANDBOX_SLOTS = 6
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: Kling().create(f"Fox {number}"), range(32)))
    assert sorted(body["code"] for _, body in answers) == [0] * 6 + [1303] * 26
    assert (kling.asked()["posts"], kling.asked()["accepted"]) == (32, 6)


def test_one_name_has_one_winner(kling: Kling) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Kling().create(external_task_id="mine"), range(8)))
    assert sorted(body["code"] for _, body in answers) == [0] + [1201] * 7


def test_whoever_comes_second_finds_the_file_made(settings: Settings, tmp_path: Path) -> None:
    database._make(settings.SANDBOX_FILE)
    visit = store.open_visit("kling", "GET", "/")
    database._make(settings.SANDBOX_FILE)
    assert store.open_visit("kling", "GET", "/").id == visit.id + 1
    assert not list(settings.SANDBOX_FILE.parent.glob("*.sqlite3.*[0-9a-f]"))
    with closing(sqlite3.connect(settings.SANDBOX_FILE)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_file_of_the_first_version_is_brought_up_to_date(kling: Kling, settings: Settings) -> None:
    settings.SANDBOX_FILE.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(settings.SANDBOX_FILE)) as db:
        db.executescript(database.VERSIONS[0])
        db.execute(
            "INSERT INTO task VALUES "
            "('1', 'kling', '/v1/images/generations', 'mine', 1, 1, 2, 'A fox', 1, 64, 64, 0, 1, 8, 'token')"
        )
        db.commit()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Kling().task("mine"), range(8)))
    assert [task["final_unit_deduction"] for task in answers] == ["8"] * 8
    assert kling.made() == kling.get(GENERATIONS)[1]["data"][0]["task_id"]
