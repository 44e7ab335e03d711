"""Kling's further ways to make pictures: several references, omni and expansion, from creation to pictures."""

import io
from typing import Any

import pytest
import time_machine
from PIL import Image

from tests.sandbox.conftest import GENERATIONS, KEY, Kling, picture

MULTI = "/sandbox/kling/v1/images/multi-image2image"
OMNI = "/sandbox/kling/v1/images/omni-image"
EXPAND = "/sandbox/kling/v1/images/editing/expand"
RISK = "Failure to pass the risk control system"

V3 = {"model_name": "kling-v3-omni"}
SUBJECT: dict[str, object] = {"subject_image_list": [{"subject_image": picture()}]}
ROOM = {
    "image": picture(),
    "up_expansion_ratio": 0.25,
    "down_expansion_ratio": 0.5,
    "left_expansion_ratio": 0,
    "right_expansion_ratio": 0.5,
}
BODIES: dict[str, dict[str, object]] = {MULTI: SUBJECT, OMNI: {}, EXPAND: ROOM}
EACH = pytest.mark.parametrize("path", BODIES)


def made(path: str, fields: dict[str, object] | None = None, prompt: str = "A fox") -> tuple[Kling, str]:
    """A client at this path, and the id of a task that it made there."""
    kling = Kling(path=path)
    status, body = kling.post({"prompt": prompt, **BODIES[path], **(fields or {})})
    assert (status, body["code"]) == (200, 0), body
    task_id: str = body["data"]["task_id"]
    return kling, task_id


def pictures(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The pictures of either kind of result."""
    result = task["task_result"]
    return [*result.get("images", []), *result.get("series_images", [])]


@EACH
def test_a_task_is_found_below_its_own_path_by_either_name(path: str) -> None:
    kling, task_id = made(path, {"external_task_id": "mine"})
    assert kling.task("mine")["task_id"] == kling.task(task_id)["task_id"] == task_id
    assert [task["task_id"] for task in kling.get(path)[1]["data"]] == [task_id]
    assert kling.get(GENERATIONS)[1]["data"] == []
    status, body = kling.get(f"{GENERATIONS}/mine")
    assert (status, body["code"]) == (404, 1203)


@EACH
def test_an_external_task_id_is_taken_for_the_whole_account(path: str, kling: Kling) -> None:
    made(path, {"external_task_id": "mine"})
    status, body = kling.create(external_task_id="mine")
    assert (status, body["code"], body["message"]) == (400, 1201, "external_task_id 'mine' already exists")


@EACH
def test_every_path_keeps_the_envelope_pages_and_methods(path: str) -> None:
    kling = Kling(path=path)
    _, body = kling.post({"prompt": "A fox", **BODIES[path]})
    assert (body["code"], body["message"], body["data"]["task_status"]) == (0, "SUCCEED", "submitted")
    assert kling.get(f"{path}?pageNum=2&pageSize=1")[1]["data"] == []
    assert kling.get(f"{path}?pageSize=501")[1]["code"] == 1201
    assert kling.client.delete(path, headers=KEY).json()["code"] == 1202
    assert kling.client.get(path).json()["code"] == 1001


@pytest.mark.parametrize(
    ("path", "fields", "units"),
    [
        (MULTI, {"n": 2}, "32"),
        (OMNI, {"n": 2}, "16"),
        (OMNI, {"resolution": "2k"}, "8"),
        (OMNI, {**V3, "resolution": "4k"}, "16"),
        (OMNI, {**V3, "result_type": "series", "series_amount": 3}, "24"),
        (EXPAND, {"n": 3}, "24"),
    ],
)
def test_a_finished_task_tells_its_price(
    clock: time_machine.Traveller, path: str, fields: dict[str, object], units: str
) -> None:
    kling, task_id = made(path, fields)
    clock.shift(6)
    assert kling.task(task_id)["final_unit_deduction"] == units


@pytest.mark.parametrize(
    ("path", "fields", "size"),
    [
        (MULTI, {}, (1360, 768)),
        (MULTI, {"aspect_ratio": "9:16"}, (768, 1360)),
        (OMNI, {}, (1360, 768)),
        (OMNI, {"aspect_ratio": "1:1", "resolution": "2k"}, (2048, 2048)),
        (OMNI, {**V3, "aspect_ratio": "1:1", "resolution": "4k"}, (4096, 4096)),
        (OMNI, {"image_list": [{"image": picture(800, 600)}]}, (1168, 880)),
        (OMNI, {"image_list": [{"image": picture(800, 600)}], "aspect_ratio": "3:2"}, (1248, 832)),
        (OMNI, {"image_list": [{"image": "https://example.com/a.png"}], "aspect_ratio": "auto"}, (1360, 768)),
        (EXPAND, {}, (1200, 1050)),
        (EXPAND, {"image": "https://example.com/a.png"}, (1536, 1792)),
        (EXPAND, {"image": picture(6000, 6000)}, (3792, 4424)),
    ],
)
def test_pictures_have_the_size_that_was_asked_for(
    clock: time_machine.Traveller, path: str, fields: dict[str, object], size: tuple[int, int]
) -> None:
    kling, task_id = made(path, fields)
    clock.shift(6)
    answer = kling.client.get(pictures(kling.task(task_id))[0]["url"])
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("PNG", size)


@pytest.mark.parametrize("path", [MULTI, EXPAND])
def test_the_prompt_may_be_missing(clock: time_machine.Traveller, path: str) -> None:
    kling = Kling(path=path)
    task_id = kling.post(BODIES[path])[1]["data"]["task_id"]
    clock.shift(6)
    assert kling.client.get(pictures(kling.task(task_id))[0]["url"]).status_code == 200


@EACH
def test_a_watermarked_copy_is_extra(clock: time_machine.Traveller, path: str) -> None:
    kling, task_id = made(path, {"watermark_info": {"enabled": True}})
    clock.shift(6)
    copy = pictures(kling.task(task_id))[0]["watermark_url"]
    assert kling.client.get(copy).content.startswith(b"\x89PNG")


# Series ---------------------------------------------------------------------------------------------------------------


def test_single_pictures_are_told_as_such(clock: time_machine.Traveller) -> None:
    kling, task_id = made(OMNI, {"n": 2, "series_amount": 5})
    assert kling.task(task_id)["task_result"] == {}
    clock.shift(6)
    result = kling.task(task_id)["task_result"]
    assert result.keys() == {"result_type", "images"}
    assert (result["result_type"], [image["index"] for image in result["images"]]) == ("single", [0, 1])


@pytest.mark.parametrize(("amount", "pictures"), [({"series_amount": 3}, 3), ({"series_amount": "auto"}, 4), ({}, 4)])
def test_a_series_has_a_list_of_its_own_and_ignores_n(
    clock: time_machine.Traveller, amount: dict[str, object], pictures: int
) -> None:
    kling, task_id = made(OMNI, {**V3, "result_type": "series", "n": 9, **amount})
    clock.shift(6)
    result = kling.task(task_id)["task_result"]
    assert result.keys() == {"result_type", "series_images"}
    assert result["result_type"] == "series"
    assert [image["index"] for image in result["series_images"]] == list(range(pictures))
    assert kling.client.get(result["series_images"][-1]["url"]).status_code == 200


# Concurrency ----------------------------------------------------------------------------------------------------------


def test_all_paths_share_the_slots(clock: time_machine.Traveller, kling: Kling) -> None:
    made(MULTI, {"n": 3})
    made(EXPAND, {"n": 2})
    made(OMNI, {**V3, "result_type": "series", "series_amount": "auto"})
    status, body = kling.create()
    assert (status, body["code"]) == (429, 1303)
    clock.shift(6)
    kling.made(n=9)


def test_the_account_pays_for_all_paths(clock: time_machine.Traveller) -> None:
    kling, _ = made(MULTI)
    made(EXPAND)
    made(OMNI)
    clock.shift(6)
    body = kling.get("/sandbox/kling/account/costs?start_time=1&end_time=2")[1]
    assert body["data"]["resource_pack_subscribe_infos"][0]["remaining_quantity"] == 100_000 - 32


# Scenarios ------------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize(
    ("word", "codes"), [("[moderated]", [1301]), ("[no-credit]", [1102]), ("[busy]", [1303, 1303, 0])]
)
def test_a_refusal_is_played(path: str, word: str, codes: list[int]) -> None:
    kling = Kling(path=path)
    assert [kling.post({"prompt": word, **BODIES[path]})[1]["code"] for _ in codes] == codes


@EACH
def test_failed_ends_with_a_reason_and_no_charge(clock: time_machine.Traveller, path: str) -> None:
    kling, task_id = made(path, prompt="[failed]")
    clock.shift(6)
    task = kling.task(task_id)
    assert (task["task_status"], task["task_status_msg"], task["task_result"]) == ("failed", RISK, {})
    assert task["final_unit_deduction"] == "0"


@EACH
def test_queries_are_spoiled_once(clock: time_machine.Traveller, path: str) -> None:
    kling, task_id = made(path, prompt="[html-502] [broken-json]")
    assert kling.client.get(f"{path}/{task_id}", headers=KEY).status_code == 502
    clock.shift(6)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        kling.client.get(f"{path}/{task_id}", headers=KEY).json()
    assert kling.task(task_id)["task_status"] == "succeed"


@EACH
def test_a_lost_request_makes_no_task_and_a_lost_answer_does(path: str) -> None:
    kling = Kling(path=path)
    for word, tasks in (("[lost-request]", 0), ("[lost-answer]", 1)):
        body = {"prompt": word, "external_task_id": word, **BODIES[path]}
        assert kling.client.post(path, body, content_type="application/json", headers=KEY).status_code == 100
        asked = kling.asked(external_task_id=word)
        assert (asked["posts"], asked["accepted"]) == (1, tasks)
    again = {"prompt": "[lost-request]", "external_task_id": "[lost-request]", **BODIES[path]}
    assert kling.post(again)[1]["code"] == 0


@EACH
def test_one_lost_picture_is_missing_from_the_result(clock: time_machine.Traveller, path: str) -> None:
    kling, task_id = made(path, {"n": 3}, prompt="[one-lost-work]")
    clock.shift(6)
    assert len(pictures(kling.task(task_id))) == 2
