"""The relay: its fields, its errors, and one and the same task told in six shapes."""

import io
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import time_machine
from django.test import Client
from PIL import Image
from pytest_django import Settings

from tests.sandbox.conftest import KEY, START, picture

GENERATIONS = "kling/v1/images/generations"
EXPAND = "kling/v1/images/editing/expand"
USAGE = "api/usage/token/"
RISK = "Failure to pass the risk control system"
START_S = int(START.timestamp())

ASKED = {"model_name": "kling-v2-1", "prompt": "A fox", "n": 1}
ROOM = {
    "image": picture(400, 400),
    "prompt": "A fox",
    "n": 1,
    "up_expansion_ratio": 0,
    "down_expansion_ratio": 0.5,
    "left_expansion_ratio": 0.5,
    "right_expansion_ratio": 0.5,
}
QUERIED = ("kkiai", "kkiai-b", "kkiai-c", "kkiai-d", "kkiai-e")
DIALECTS = (*QUERIED, "kkiai-f")
EACH = pytest.mark.parametrize("dialect", DIALECTS)
EACH_QUERIED = pytest.mark.parametrize("dialect", QUERIED)


@dataclass
class Relay:
    """Django's test client at one relay's addresses; answers as (HTTP status, JSON body)."""

    dialect: str
    client: Client = field(default_factory=Client)

    def url(self, path: str) -> str:
        return f"/sandbox/{self.dialect}/{path}"

    def post(self, body: object, path: str = GENERATIONS) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(self.url(path), body, content_type="application/json", headers=KEY)
        return answer.status_code, answer.json()

    def create(self, prompt: str = "A fox", **fields: object) -> tuple[int, dict[str, Any]]:
        return self.post({**ASKED, "prompt": prompt, **fields})

    def made(self, prompt: str = "A fox", **fields: object) -> str:
        status, body = self.create(prompt, **fields)
        assert status == 200, body
        return identity(body)

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = self.client.get(self.url(path), headers=KEY)
        return answer.status_code, answer.json()

    def task(self, task_id: str, path: str = GENERATIONS) -> dict[str, Any]:
        status, body = self.get(f"{path}/{task_id}")
        assert status == 200, body
        return body

    def asked(self) -> dict[str, Any]:
        body: dict[str, Any] = self.client.get("/sandbox/requests", {"dialect": self.dialect}).json()
        return body


def identity(body: dict[str, Any]) -> str:
    """The id of the task that an answer tells about."""
    task_id: str = body["task_id"] if "task_id" in body else body["data"]["task_id"]
    return task_id


def first_url(dialect: str, body: dict[str, Any]) -> str:
    """The first picture's address, at the place where this shape has it."""
    if dialect == "kkiai-c":
        body = body["data"]["data"]
    if dialect in ("kkiai", "kkiai-b", "kkiai-c"):
        url: str = body["data"]["task_result"]["images"][0]["url"]
    elif dialect == "kkiai-f":
        url = body["data"][0]["url"]
    else:
        url = body["data"]["url"] if dialect == "kkiai-d" else body["url"]
    return url


def at_once(settings: Settings) -> None:
    """No waiting at the relay that answers when the pictures are there."""
    settings.SANDBOX_PACE = 0


# Shapes ---------------------------------------------------------------------------------------------------------------


@EACH
def test_every_relay_leads_to_a_picture(dialect: str, settings: Settings) -> None:
    at_once(settings)
    relay = Relay(dialect)
    status, body = relay.create(image=picture(800, 600))
    assert status == 200
    told = body if dialect == "kkiai-f" else relay.task(identity(body))
    answer = relay.client.get(first_url(dialect, told))
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (1168, 880)
    asked = relay.asked()
    assert (asked["posts"], asked["accepted"]) == (1, 1)


@EACH
def test_every_relay_expands(dialect: str, settings: Settings) -> None:
    at_once(settings)
    relay = Relay(dialect)
    status, body = relay.post(ROOM, EXPAND)
    assert status == 200
    told = body if dialect == "kkiai-f" else relay.task(identity(body), EXPAND)
    answer = relay.client.get(first_url(dialect, told))
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (800, 600)


def test_shape_a_is_klings_own(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai")
    _, created = relay.create(n=2)
    assert created.keys() == {"code", "message", "request_id", "data"}
    assert (created["code"], created["message"], created["data"]["task_status"]) == (0, "SUCCEED", "submitted")
    clock.shift(6)
    data = relay.task(identity(created))["data"]
    assert (data["task_id"], data["task_status"]) == (identity(created), "succeed")
    assert [image["index"] for image in data["task_result"]["images"]] == [0, 1]


def test_shape_b_creates_with_an_empty_status_and_is_asked_like_kling(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai-b")
    _, created = relay.create(n=2)
    task_id = identity(created)
    assert task_id.startswith("task_")
    assert created == {
        "id": task_id,
        "task_id": task_id,
        "object": "video",
        "model": "kling-v2-1",
        "status": "",
        "progress": 0,
        "created_at": START_S,
    }
    assert relay.task(task_id)["data"]["task_status"] == "submitted"
    clock.shift(6)
    data = relay.task(task_id)["data"]
    assert (data["task_id"], data["task_status"]) == (task_id.removeprefix("task_"), "succeed")
    assert len(data["task_result"]["images"]) == 2


def test_shape_b_of_an_expansion_has_no_model() -> None:
    assert Relay("kkiai-b").post(ROOM, EXPAND)[1]["model"] == ""


def test_shape_c_wraps_klings_answer_in_the_relays(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai-c")
    _, created = relay.create(n=2)
    assert created["status"] == "queued"
    seen = []
    for seconds in (0, 1, 6):
        clock.move_to(START_S + seconds)
        seen.append(relay.task(identity(created)))
    assert [(body["code"], body["message"]) for body in seen] == [("success", "")] * 3
    assert [body["data"]["status"] for body in seen] == ["QUEUED", "IN_PROGRESS", "SUCCESS"]
    assert [body["data"]["progress"] for body in seen] == ["0%", "50%", "100%"]
    assert [body["data"]["result_url"] for body in seen[:2]] == ["", ""]
    assert [body["data"]["finish_time"] for body in seen[:2]] == [0, 0]
    done = seen[-1]["data"]
    assert (done["task_id"], done["submit_time"], done["fail_reason"]) == (identity(created), START_S, "")
    assert START_S + 3 <= done["finish_time"] <= START_S + 5
    images = done["data"]["data"]["task_result"]["images"]
    assert len(images) == 2
    assert done["result_url"] == images[0]["url"]


def test_shape_d_has_one_address(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai-d")
    _, created = relay.create()
    task_id = identity(created)
    waiting = {"task_id": task_id, "status": "queued", "format": "png", "url": "", "error": None}
    assert created == relay.task(task_id) == {"code": "success", "message": "", "data": waiting}
    clock.shift(1)
    assert relay.task(task_id)["data"]["status"] == "processing"
    clock.shift(5)
    done = relay.task(task_id)["data"]
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert done["url"].endswith("-0.png")


def test_shape_e_is_flat(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai-e")
    _, created = relay.create()
    task_id = identity(created)
    assert created == {"task_id": task_id, "status": "queued", "url": "", "metadata": None, "error": None}
    clock.shift(1)
    assert relay.task(task_id)["status"] == "in_progress"
    clock.shift(5)
    assert relay.task(task_id)["status"] == "completed"


def test_shape_f_answers_when_the_pictures_are_there(settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.05
    began = time.monotonic()
    status, body = Relay("kkiai-f").create(n=3)
    assert time.monotonic() - began > 0.14
    assert (status, [*body]) == (200, ["created", "data"])
    assert [url["url"][-6:] for url in body["data"]] == ["-0.png", "-1.png", "-2.png"]


def test_shape_f_has_nothing_to_ask_about(settings: Settings) -> None:
    at_once(settings)
    relay = Relay("kkiai-f")
    relay.create()
    task_id = relay.asked()["requests"][0]["task_id"]
    status, body = relay.get(f"{GENERATIONS}/{task_id}")
    assert (status, body["code"]) == (400, "task_not_exist")


@pytest.mark.parametrize("dialect", ["kkiai-d", "kkiai-e"])
def test_a_shape_with_one_address_makes_one_picture(dialect: str) -> None:
    status, body = Relay(dialect).create(n=2)
    assert (status, body) == (
        400,
        {"code": "invalid_request", "message": "n must not be larger than 1", "data": None},
    )


# Fields ---------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize(("path", "name"), [(GENERATIONS, "n"), (GENERATIONS, "model_name"), (EXPAND, "n")])
def test_the_relay_asks_for_more_than_kling(dialect: str, path: str, name: str) -> None:
    body = {**(ROOM if path == EXPAND else ASKED)}
    body.pop(name)
    status, answer = Relay(dialect).post(body, path)
    assert (status, answer) == (
        400,
        {"code": "invalid_request", "message": f"field {name} is required", "data": None},
    )


KLINGS: dict[str, dict[str, object]] = {
    "prompt must not be empty": {"prompt": ""},
    "n must be in [1, 9]": {"n": 10},
    "negative_prompt is not supported when image": {"image": picture(), "negative_prompt": "rain"},
    "resolution value '2k' is not supported": {"image": picture(), "resolution": "2k"},
    "external_task_id is not a known parameter": {"external_task_id": "mine"},
    "element_list is not a known parameter": {"element_list": []},
    "watermark_info is not a known parameter": {"watermark_info": {"enabled": False}},
    "seed is not a known parameter": {"seed": 1},
}


@pytest.mark.parametrize(("message", "fields"), KLINGS.items(), ids=KLINGS)
def test_what_kling_refuses_is_refused(message: str, fields: dict[str, object]) -> None:
    status, body = Relay("kkiai").create(**fields)  # type: ignore[arg-type]
    assert (status, body["code"]) == (400, 1201)
    assert body["message"].startswith(message)


def test_a_body_that_is_no_json_object_is_refused() -> None:
    status, body = Relay("kkiai").post([])
    assert (status, body) == (
        400,
        {"code": "invalid_request", "message": "request body must be a JSON object", "data": None},
    )


# Errors ---------------------------------------------------------------------------------------------------------------


def gate_error(status: int, body: dict[str, Any]) -> tuple[int, str, str]:
    """HTTP status, code and text of an error from before any task; its form is checked."""
    assert body.keys() == {"error"}
    error = body["error"]
    assert error["type"] == "new_api_error"
    text, _, request_id = error["message"].partition(" (request id: ")
    assert len(request_id) == 33
    return status, error["code"], text


@EACH
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"Authorization": "sandbox-key"}])
@pytest.mark.parametrize("path", [GENERATIONS, f"{EXPAND}/1", USAGE])
def test_a_wrong_key_is_401(dialect: str, headers: dict[str, str], path: str) -> None:
    relay = Relay(dialect)
    answer = relay.client.get(relay.url(path), headers=headers)
    assert gate_error(answer.status_code, answer.json())[:2] == (401, "")


@EACH
def test_no_credit_is_403(dialect: str) -> None:
    assert gate_error(*Relay(dialect).create("[no-credit]"))[:2] == (403, "insufficient_user_quota")


@EACH
def test_busy_is_429_twice(dialect: str, settings: Settings) -> None:
    at_once(settings)
    relay = Relay(dialect)
    for _ in range(2):
        assert gate_error(*relay.create("[busy]"))[:2] == (429, "rate_limit_exceeded")
    assert relay.create("[busy]")[0] == 200


@EACH
def test_an_unknown_model_has_no_channel(dialect: str) -> None:
    status, code, text = gate_error(*Relay(dialect).create(model_name="kling-v9"))
    assert (status, code) == (503, "model_not_found")
    assert text == "No available channel for model kling-v9 under group default"


def test_moderation_arrives_as_klings_refusal_in_shape_a() -> None:
    relay = Relay("kkiai")
    status, body = relay.create("[moderated]")
    assert (status, body["code"], body["message"]) == (400, 1301, RISK)
    assert relay.asked()["requests"][0]["code"] == 1301


@pytest.mark.parametrize("dialect", DIALECTS[1:])
def test_moderation_arrives_as_text_in_the_other_shapes(dialect: str) -> None:
    relay = Relay(dialect)
    status, body = relay.create("[moderated]")
    assert (status, body["code"], body["data"]) == (400, "fail_to_fetch_task", None)
    said = json.loads(body["message"])
    assert (said["code"], said["message"]) == (1301, RISK)
    assert relay.asked()["accepted"] == 0


@EACH
def test_an_unknown_task_is_400(dialect: str) -> None:
    status, body = Relay(dialect).get(f"{GENERATIONS}/827996385395363846")
    assert (status, body) == (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None})


def test_tasks_of_other_paths_and_relays_are_unknown() -> None:
    task_id = Relay("kkiai").made()
    assert Relay("kkiai").get(f"{EXPAND}/{task_id}")[0] == 400
    assert Relay("kkiai-d").get(f"{GENERATIONS}/{task_id}")[0] == 400


@pytest.mark.parametrize(
    ("method", "path"), [("GET", GENERATIONS), ("POST", f"{GENERATIONS}/1"), ("POST", USAGE), ("GET", "v1/models")]
)
def test_a_wrong_address_or_method_is_404(method: str, path: str) -> None:
    relay = Relay("kkiai")
    answer = relay.client.generic(method, relay.url(path), headers=KEY)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith(f"Invalid URL ({method} /sandbox/kkiai/{path})")


# Quota and concurrency ------------------------------------------------------------------------------------------------


def test_a_request_takes_one_slot_whatever_it_makes(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai")
    for number in range(9):
        relay.made(f"Fox {number}", n=9)
    assert gate_error(*relay.create())[0] == 429
    assert Relay("kkiai-b").create()[0] == 200
    clock.shift(6)
    relay.made()


def test_the_quota_goes_down_with_what_was_made(clock: time_machine.Traveller) -> None:
    relay = Relay("kkiai-c")
    relay.made(n=2)
    relay.made("[failed]")
    clock.shift(6)
    status, body = relay.get(USAGE)
    used = 8 * 1750
    assert (status, body) == (
        200,
        {
            "code": True,
            "message": "ok",
            "data": {
                "object": "token_usage",
                "name": "sandbox",
                "total_granted": 175_000_000,
                "total_used": used,
                "total_available": 175_000_000 - used,
                "unlimited_quota": False,
                "model_limits": {},
                "model_limits_enabled": False,
                "expires_at": 0,
            },
        },
    )


# Scenarios ------------------------------------------------------------------------------------------------------------


def test_failed_is_told_in_every_shape(clock: time_machine.Traveller) -> None:
    ids = {dialect: Relay(dialect).made("[failed]") for dialect in QUERIED}
    clock.shift(6)
    a, b, c, d, e = (Relay(dialect).task(task_id) for dialect, task_id in ids.items())
    for native in (a, b, c["data"]["data"]):
        assert (native["code"], native["data"]["task_status"], native["data"]["task_status_msg"]) == (0, "failed", RISK)
    assert (c["data"]["status"], c["data"]["fail_reason"], c["data"]["progress"]) == ("FAILURE", RISK, "100%")
    assert (d["data"]["status"], d["data"]["error"], d["data"]["url"]) == ("failed", RISK, "")
    assert (e["status"], e["error"]["message"], e["url"]) == ("failed", RISK, "")


def test_a_picture_that_fails_while_the_request_waits_is_an_error(settings: Settings) -> None:
    at_once(settings)
    assert gate_error(*Relay("kkiai-f").create("[failed]")) == (400, "task_failed", RISK)


@EACH_QUERIED
def test_queries_are_spoiled_once(dialect: str, clock: time_machine.Traveller) -> None:
    relay = Relay(dialect)
    path = relay.url(f"{GENERATIONS}/{relay.made('[html-502] [broken-json]')}")
    assert relay.client.get(path, headers=KEY).status_code == 502
    assert relay.client.get(path, headers=KEY).json()
    clock.shift(6)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        relay.client.get(path, headers=KEY).json()
    assert relay.client.get(path, headers=KEY).json()


@EACH
def test_a_lost_request_makes_no_task_and_a_lost_answer_does(dialect: str, settings: Settings) -> None:
    at_once(settings)
    relay = Relay(dialect)
    for prompt, accepted in (("[lost-request]", 0), ("[lost-answer]", 1)):
        body = {**ASKED, "prompt": prompt}
        answer = relay.client.post(relay.url(GENERATIONS), body, content_type="application/json", headers=KEY)
        assert answer.status_code == 100
        assert relay.asked()["accepted"] == accepted
    assert relay.create("[lost-request]")[0] == 200


@EACH
def test_gone_succeeds_but_its_files_are_missing(dialect: str, settings: Settings) -> None:
    at_once(settings)
    relay = Relay(dialect)
    _, body = relay.create("[gone]")
    told = body if dialect == "kkiai-f" else relay.task(identity(body))
    assert relay.client.get(first_url(dialect, told)).status_code == 404


def test_one_lost_picture_leaves_its_place_empty(clock: time_machine.Traveller) -> None:
    ids = {dialect: Relay(dialect).made("[one-lost-work]") for dialect in QUERIED}
    clock.shift(6)
    a, b, c, d, e = (Relay(dialect).task(task_id) for dialect, task_id in ids.items())
    for native in (a, b, c["data"]["data"]):
        assert (native["data"]["task_status"], native["data"]["task_result"]) == ("succeed", {"images": []})
    assert (c["data"]["status"], c["data"]["result_url"]) == ("SUCCESS", "")
    assert (d["data"]["status"], d["data"]["url"]) == ("succeeded", "")
    assert (e["status"], e["url"]) == ("completed", "")


def test_one_lost_picture_is_missing_from_the_answer_that_waited(settings: Settings) -> None:
    at_once(settings)
    assert len(Relay("kkiai-f").create("[one-lost-work]", n=3)[1]["data"]) == 2


def test_slow_makes_the_waiting_relay_wait(settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.002
    began = time.monotonic()
    Relay("kkiai-f").create("[slow]")
    assert time.monotonic() - began > 0.11


def test_slow_answer_comes_late(settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.002
    began = time.monotonic()
    Relay("kkiai-e").create("[slow-answer]")
    assert time.monotonic() - began > 0.08
