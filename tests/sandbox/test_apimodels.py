"""apimodels: tasks from creation to pictures, and the account, in its words."""

import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.test import Client
from PIL import Image
from pytest_django import Settings

from tests.sandbox.apimodels_client import BASE, BROWSER, GENERATIONS, KEY, Apimodels
from tests.sandbox.conftest import START
from tests.site.processes import wait_until

START_MS = int(START.timestamp() * 1000)
PLACES = 9
EVEN = {f"{edge}_expansion_ratio": 0.25 for edge in ("up", "down", "left", "right")}


@pytest.fixture
def apimodels() -> Apimodels:
    return Apimodels()


def test_creating_answers_with_the_shape_of_the_document(apimodels: Apimodels) -> None:
    status, body = apimodels.create()
    task_id = body["data"].pop("taskId")
    assert re.fullmatch(r"cl[0-9a-z]{23}", task_id)
    data = {"state": "pending", "model": "kling-image-gen/kling-v3"}
    assert (status, body) == (200, {"code": 200, "msg": "success", "data": data})


def test_a_task_is_pending_then_processing_then_completed(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    task_id = apimodels.made(n=2)
    seen = []
    for seconds in (0, 0.8, 5.1):
        clock.move_to(START_MS / 1000 + seconds)
        seen.append(apimodels.task(task_id))
    assert [task["state"] for task in seen] == ["pending", "processing", "completed"]
    assert not any("resultUrls" in task or "completeTime" in task for task in seen[:2])
    done = seen[2]
    assert (done["taskId"], done["model"], done["createTime"]) == (task_id, "kling-image-gen/kling-v3", START_MS)
    assert START_MS + 3000 <= done["completeTime"] <= START_MS + 5000
    assert len(done["resultUrls"]) == 2
    assert json.loads(done["resultJson"]) == {"resultUrls": done["resultUrls"]}


@pytest.mark.parametrize(("agent", "status"), [("Mozilla/5.0 (X11)", 200), ("python-httpx/0.28.1", 403), ("", 403)])
def test_pictures_are_for_what_looks_like_a_browser(
    apimodels: Apimodels, clock: time_machine.Traveller, agent: str, status: int
) -> None:
    task_id = apimodels.made()
    clock.shift(6)
    url = apimodels.task(task_id)["resultUrls"][0]
    assert apimodels.client.get(url, headers={"User-Agent": agent}).status_code == status
    assert apimodels.client.get(url, headers={**BROWSER, **KEY}).status_code == 400


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1360, 768)),
        ({"resolution": "2k", "aspect_ratio": "1:1"}, (2048, 2048)),
        ({"image_url": "file"}, (1168, 880)),
        ({"image_url": "https://example.com/a.jpg", "aspect_ratio": "3:2"}, (1248, 832)),
        ({"model": "kling-image-o1", "image_urls": ["file", "https://example.com/a.jpg"]}, (1168, 880)),
        ({"model": "kling-expand", "image_url": "file", **EVEN}, (1168, 880)),
        ({"model": "kling-expand", "image_url": "file", **EVEN, "left_expansion_ratio": 0.75}, (1360, 768)),
        (
            {"model": "kling-multi-image", "subject_image_list": [{"subject_image": "file"}], "aspect_ratio": "9:16"},
            (768, 1360),
        ),
    ],
)
def test_pictures_have_the_shape_that_was_asked_for(
    apimodels: Apimodels, clock: time_machine.Traveller, fields: dict[str, object], size: tuple[int, int]
) -> None:
    wish = json.loads(json.dumps(fields).replace('"file"', json.dumps(apimodels.file(800, 600))))
    task_id = apimodels.made(**wish)
    clock.shift(6)
    answer = apimodels.client.get(apimodels.task(task_id)["resultUrls"][0], headers=BROWSER)
    with Image.open(io.BytesIO(answer.content)) as image:
        if fields.get("left_expansion_ratio") == 0.75:
            assert image.width / image.height == pytest.approx(4 / 3 * 2 / 1.5, rel=0.02)
        else:
            assert image.size == size


def test_pictures_and_tasks_are_there_for_a_week(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    task_id = apimodels.made()
    clock.shift(6)
    url = apimodels.task(task_id)["resultUrls"][0]
    clock.shift(6 * 86_400)
    assert apimodels.client.get(url, headers=BROWSER).status_code == 200
    clock.shift(86_400)
    assert apimodels.client.get(url, headers=BROWSER).status_code == 404
    missing = (404, {"code": 404, "msg": "Task not found"})
    assert apimodels.get("/images/generations", task_id=task_id) == apimodels.get(f"/records/{task_id}") == missing


# Door -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer sandbox-key"}])
def test_a_wrong_key_is_401(header: dict[str, str]) -> None:
    answer = Client().get(f"{BASE}/balance", headers=header)
    assert (answer.status_code, answer.json()) == (401, {"code": 401, "msg": "Invalid API key"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", GENERATIONS, 405), ("GET", f"{BASE}/files", 405), ("GET", f"{BASE}/nothing", 404)],
)
def test_a_wrong_method_is_405_and_a_wrong_address_404(method: str, path: str, status: int) -> None:
    answer = Client().generic(method, path, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (status, status)


@pytest.mark.parametrize("query", [{}, {"taskId": "clx"}, {"task_id": ""}])
def test_a_query_needs_its_task_id_by_its_right_name(apimodels: Apimodels, query: dict[str, str]) -> None:
    assert apimodels.get("/images/generations", **query) == (400, {"code": 400, "msg": "task_id is required"})


def test_a_query_by_path_is_404_and_speaks_of_the_base_url(apimodels: Apimodels) -> None:
    status, body = apimodels.get(f"/images/generations/{apimodels.made()}")
    assert (status, body["code"]) == (404, 404)
    assert "base_url" in body["msg"]


def test_an_unknown_task_is_404(apimodels: Apimodels) -> None:
    assert apimodels.get("/images/generations", task_id="clx") == (404, {"code": 404, "msg": "Task not found"})


def test_more_requests_than_places_are_429_and_told_to_wait(apimodels: Apimodels) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: Apimodels().create(f"Fox {number}", n=9)[0], range(PLACES + 3)))
    assert sorted(answers) == [200] * PLACES + [429] * 3
    answer = apimodels.client.post(
        GENERATIONS, {"model": "kling-v2", "prompt": "A fox"}, content_type="application/json", headers=KEY
    )
    assert (answer.json(), answer["Retry-After"]) == ({"code": 429, "msg": "Too many requests"}, "10")


# Account --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({"model": "kling-v2"}, 0.076),
        ({"model": "kling-v2", "image_url": "https://example.com/a.jpg"}, 0.151),
        ({"model": "kling-v2-new", "image_url": "https://example.com/a.jpg"}, 0.151),
        ({"model": "kling-v2-1", "n": 3}, 0.228),
        ({"model": "kling-v3-image", "n": 9}, 1.359),
        ({"model": "kling-image-o1", "n": 2}, 3.6),
        (
            {"model": "kling-multi-image", "subject_image_list": [{"subject_image": "https://example.com/a.jpg"}]},
            0.302,
        ),
        ({"model": "kling-expand", "image_url": "https://example.com/a.jpg", **EVEN, "n": 2}, 0.302),
    ],
)
def test_prices_are_those_of_the_document_and_move_the_balance(
    apimodels: Apimodels, clock: time_machine.Traveller, fields: dict[str, object], price: float
) -> None:
    task_id = apimodels.made(**fields)  # type: ignore[arg-type]
    before = apimodels.get("/balance")[1]
    assert (before["code"], before["msg"], before["data"]["currency"]) == (200, "success", "USD")
    assert before["data"]["balance"] == pytest.approx(1000 - price)
    assert (before["data"]["total"], before["data"]["frozen"]) == (1000.0, price)
    assert not apimodels.record(task_id)["settled"]
    clock.shift(6)
    after = apimodels.get("/balance")[1]["data"]
    assert after["total"] == after["balance"] == pytest.approx(1000 - price)
    assert after["frozen"] == 0
    record = apimodels.record(task_id)
    assert (record["task_id"], record["state"], record["settled"]) == (task_id, "completed", True)
    assert (record["credits"], record["currency"]) == (price, "USD")
    assert record["usage"] == {"images": fields.get("n", 1)}


# Scenarios ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "[moderated]",
            {"failCode": "CONTENT_MODERATION", "failMsg": "Content policy violation", "retryable": False},
        ),
        (
            "[failed]",
            {
                "failCode": "UPSTREAM_FAILED",
                "failMsg": "The upstream provider failed to generate",
                "retryable": True,
            },
        ),
    ],
)
def test_moderation_and_upstream_let_a_task_fail_that_costs_nothing(
    apimodels: Apimodels, clock: time_machine.Traveller, word: str, told: dict[str, object]
) -> None:
    task_id = apimodels.made(f"A fox {word}")
    clock.shift(6)
    task = apimodels.task(task_id)
    assert {name: task.get(name) for name in ("state", *told)} == {"state": "failed", **told}
    assert "resultUrls" not in task
    record = apimodels.record(task_id)
    assert (record["settled"], record["credits"], record["usage"]) == (True, 0, {"images": 0})
    assert apimodels.get("/balance")[1]["data"]["balance"] == 1000


def test_no_credit_is_a_200_with_402_inside(apimodels: Apimodels) -> None:
    assert apimodels.create("[no-credit]") == (200, {"code": 402, "msg": "Insufficient credits"})
    assert [entry["code"] for entry in apimodels.asked()["requests"]] == [402]
    assert apimodels.asked(dialect="apimodels")["accepted"] == 0


def test_busy_refuses_the_first_two_attempts(apimodels: Apimodels) -> None:
    assert [apimodels.create("[busy]")[0] for _ in range(3)] == [429, 429, 200]


def test_one_lost_work_gives_a_picture_less(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    task_id, alone = apimodels.made("[one-lost-work]", n=3), apimodels.made("[one-lost-work]")
    clock.shift(6)
    assert len(apimodels.task(task_id)["resultUrls"]) == 2
    assert (apimodels.task(alone)["state"], apimodels.task(alone)["resultUrls"]) == ("completed", [])


def test_broken_json_cuts_the_first_success(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    task_id = apimodels.made("[broken-json]")
    clock.shift(6)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        apimodels.task(task_id)
    assert apimodels.task(task_id)["state"] == "completed"


def test_html_502_spoils_the_first_query(apimodels: Apimodels) -> None:
    task_id = apimodels.made("[html-502]")
    answer = apimodels.client.get(GENERATIONS, {"task_id": task_id}, headers=KEY)
    assert (answer.status_code, answer["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert apimodels.task(task_id)["state"] == "pending"


def test_gone_succeeds_but_its_files_are_missing(apimodels: Apimodels, clock: time_machine.Traveller) -> None:
    task_id = apimodels.made("[gone]")
    clock.shift(6)
    assert apimodels.client.get(apimodels.task(task_id)["resultUrls"][0], headers=BROWSER).status_code == 404


def test_a_lost_answer_leaves_a_task_and_a_lost_request_none(apimodels: Apimodels) -> None:
    for word, accepted in (("[lost-request]", 0), ("[lost-answer]", 1)):
        body = {"model": "kling-v2", "prompt": word}
        answer = apimodels.client.post(GENERATIONS, body, content_type="application/json", headers=KEY)
        assert answer.status_code == 100
        assert apimodels.asked(dialect="apimodels")["accepted"] == accepted
    assert apimodels.get("/balance")[1]["data"]["frozen"] == 0.076
    apimodels.made("[lost-request]")


def test_slow_answer_makes_the_task_long_before_it_answers(apimodels: Apimodels, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.02
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(apimodels.create, "[slow-answer]")
        wait_until(lambda: Apimodels().asked(dialect="apimodels")["accepted"] == 1, "the task is there")
        assert not answer.done()
        assert answer.result()[1]["code"] == 200
