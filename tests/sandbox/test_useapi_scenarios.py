"""useapi: every scenario in its words."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from pytest_django import Settings

from tests.sandbox.useapi_client import ANNA, BASE, TOKEN, Useapi
from tests.site.processes import wait_until

MODERATED = {
    "error": "The content you uploaded appears to violate the community guidelines. (CM_EXT.POther)",
    "message": "Service busy (CM_EXT.POther)",
}


@pytest.fixture
def useapi() -> Useapi:
    return Useapi()


def test_moderated_is_a_500_that_says_so_in_error(useapi: Useapi) -> None:
    assert useapi.create("A fox [moderated]") == (500, MODERATED)
    assert useapi.asked(dialect="useapi")["accepted"] == 0


def test_no_credit_is_412(useapi: Useapi) -> None:
    status, body = useapi.create("[no-credit]")
    assert (status, body["code"]) == (412, 412)


@pytest.mark.parametrize("fields", [{"replyRef": "mine"}, {}])
def test_busy_refuses_the_first_two_attempts(useapi: Useapi, fields: dict[str, str]) -> None:
    assert [useapi.create("[busy]", **fields)[0] for _ in range(3)] == [429, 429, 200]


def test_failed_ends_without_works_and_costs_nothing(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made("[failed]")
    clock.shift(6)
    task = useapi.task(task_id)
    assert (task["status"], task["status_name"], task["status_final"], task["works"]) == (50, "failed", True, [])
    assert task["message"].startswith("Generation failed")


def test_one_lost_work_succeeds_with_its_last_work_failed(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made("[one-lost-work]", imageCount=2)
    clock.shift(6)
    task = useapi.task(task_id)
    first, last = task["works"]
    assert (task["status_name"], first["status_name"]) == ("succeed", "succeed")
    assert (last["status"], last["status_name"], last["resource"]["resource"]) == (50, "failed", "")
    url = first["resource"]["resource"]
    assert useapi.client.get(url).status_code == 200
    assert useapi.client.get(url.replace("-0.png", "-1.png")).status_code == 404


def test_broken_json_cuts_the_first_success(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made("[broken-json]")
    clock.shift(6)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        useapi.task(task_id)
    assert useapi.task(task_id)["status_name"] == "succeed"


def test_html_502_spoils_the_first_query_even_of_a_list(useapi: Useapi) -> None:
    useapi.made("[html-502]")
    answer = useapi.client.get(f"{BASE}/tasks", {"email": ANNA}, headers=TOKEN)
    assert (answer.status_code, answer["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert len(useapi.get("/tasks", email=ANNA)[1]["history"]) == 1


def test_gone_succeeds_but_its_files_are_missing(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made("[gone]")
    clock.shift(6)
    assert useapi.client.get(useapi.task(task_id)["works"][0]["resource"]["resource"]).status_code == 404


def test_a_lost_answer_leaves_a_task_that_the_list_and_the_scheduler_show(useapi: Useapi) -> None:
    body = {"email": ANNA, "prompt": "[lost-answer]", "replyRef": "mine"}
    answer = useapi.client.post(f"{BASE}/images/kolors", body, content_type="application/json", headers=TOKEN)
    assert answer.status_code == 100
    told = useapi.asked(external_task_id="mine")
    assert (told["posts"], told["accepted"], told["requests"][0]["status"]) == (1, 1, None)
    task = useapi.get("/tasks", email=ANNA)[1]["history"][0]["task"]
    assert useapi.get("/scheduler")[1][0]["replyRef"] == "mine"
    assert str(task["id"]) == told["requests"][0]["task_id"]


def test_a_lost_request_makes_nothing_until_it_comes_again(useapi: Useapi) -> None:
    body = {"email": ANNA, "prompt": "[lost-request]", "replyRef": "mine"}
    answer = useapi.client.post(f"{BASE}/images/kolors", body, content_type="application/json", headers=TOKEN)
    assert answer.status_code == 100
    assert useapi.get("/scheduler") == (200, [])
    useapi.made("[lost-request]", replyRef="mine")


def test_one_reference_may_name_several_tasks(useapi: Useapi) -> None:
    assert useapi.made(replyRef="mine") != useapi.made(replyRef="mine")
    assert useapi.asked(external_task_id="mine")["accepted"] == 2


def test_slow_answer_makes_the_task_long_before_it_answers(useapi: Useapi, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.02
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(useapi.create, "[slow-answer]")
        wait_until(lambda: Useapi().get("/tasks", email=ANNA)[1]["history"] != [], "the task is there")
        assert not answer.done()
        assert answer.result()[0] == 200
