"""Tasks from creation to pictures, by the clock, in Kling's words."""

import io
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.test import Client
from PIL import Image
from pytest_django import Settings

from tests.sandbox.conftest import GENERATIONS, KEY, START, Kling, picture
from tests.site.processes import wait_until

START_MS = int(START.timestamp() * 1000)
RISK = "Failure to pass the risk control system"


def test_creating_answers_with_the_envelope_of_the_document(kling: Kling, clock: time_machine.Traveller) -> None:
    status, body = kling.create(external_task_id="mine")
    assert status == 200
    assert uuid.UUID(body.pop("request_id"))
    task_id = body["data"].pop("task_id")
    assert re.fullmatch(r"\d{18}", task_id)
    assert body == {
        "code": 0,
        "message": "SUCCEED",
        "data": {
            "task_status": "submitted",
            "task_info": {"external_task_id": "mine"},
            "created_at": START_MS,
            "updated_at": START_MS,
        },
    }


def test_a_task_is_submitted_then_processing_then_succeeds(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made(model_name="kling-v2-1", n=2)
    seen = []
    for seconds in (0, 0.4, 0.8, 2.9, 5.1):
        clock.move_to(START_MS / 1000 + seconds)
        seen.append(kling.task(task_id))
    assert [task["task_status"] for task in seen] == [
        "submitted",
        "submitted",
        "processing",
        "processing",
        "succeed",
    ]
    assert [task["task_result"] for task in seen[:4]] == [{}] * 4
    assert not any("final_unit_deduction" in task for task in seen[:4])
    moments = [task["updated_at"] for task in seen]
    assert moments == sorted(moments)
    assert len(set(moments)) == 3
    done = seen[-1]
    assert done["task_status_msg"] == ""
    assert done["final_unit_deduction"] == "8"
    assert done["watermark_info"] == {"enabled": False}
    assert [image["index"] for image in done["task_result"]["images"]] == [0, 1]
    assert [image["watermark_url"] for image in done["task_result"]["images"]] == ["", ""]


def test_the_pace_shortens_everything(kling: Kling, clock: time_machine.Traveller, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.01
    task_id = kling.made()
    clock.shift(0.06)
    assert kling.task(task_id)["task_status"] == "succeed"


@pytest.mark.parametrize(
    ("fields", "units"),
    [
        ({"model_name": "kling-v2-1", "n": 3}, "12"),
        ({"model_name": "kling-v2-1", "image": picture()}, "8"),
        ({"model_name": "kling-v3", "resolution": "2k"}, "8"),
        ({"model_name": "kling-v3", "image": picture(), "n": 9}, "72"),
    ],
)
def test_a_finished_task_tells_its_price(
    kling: Kling, clock: time_machine.Traveller, fields: dict[str, object], units: str
) -> None:
    task_id = kling.made(**fields)  # type: ignore[arg-type]
    clock.shift(6)
    assert kling.task(task_id)["final_unit_deduction"] == units


def test_a_task_is_found_by_either_name(kling: Kling) -> None:
    task_id = kling.made(external_task_id="mine")
    assert kling.task("mine")["task_id"] == kling.task(task_id)["task_id"] == task_id


def test_an_unknown_task_is_1203(kling: Kling) -> None:
    kling.made()
    status, body = kling.get(f"{GENERATIONS}/827996385395363846")
    assert (status, body["code"]) == (404, 1203)


def test_an_external_task_id_is_taken_once(kling: Kling) -> None:
    task_id = kling.made(external_task_id="mine")
    status, body = kling.create("Another", external_task_id="mine")
    assert (status, body["code"]) == (400, 1201)
    assert body["message"] == "external_task_id 'mine' already exists"
    assert kling.task("mine")["task_id"] == task_id


def test_tasks_without_an_external_task_id_do_not_collide(kling: Kling) -> None:
    assert kling.made() != kling.made(external_task_id="")


# Lists ----------------------------------------------------------------------------------------------------------------


def test_an_empty_account_lists_nothing(kling: Kling) -> None:
    assert kling.get(GENERATIONS)[1]["data"] == []


def test_the_list_is_newest_first_and_in_pages(kling: Kling) -> None:
    made = [kling.made(f"Fox {number}") for number in range(5)]
    first = kling.get(f"{GENERATIONS}?pageNum=1&pageSize=2")[1]["data"]
    last = kling.get(f"{GENERATIONS}?pageNum=3&pageSize=2")[1]["data"]
    assert [task["task_id"] for task in first + last] == [made[4], made[3], made[0]]
    assert first[0].keys() == kling.task(made[4]).keys()


@pytest.mark.parametrize(
    "query", ["pageNum=0", "pageNum=1001", "pageSize=0", "pageSize=501", "pageSize=x", "pageNum=-1", "page=1"]
)
def test_a_page_out_of_range_is_refused_naming_the_parameter(kling: Kling, query: str) -> None:
    status, body = kling.get(f"{GENERATIONS}?{query}")
    assert (status, body["code"]) == (400, 1201)
    assert body["message"].startswith(query.partition("=")[0])


# Concurrency ----------------------------------------------------------------------------------------------------------


def test_pictures_take_slots_until_their_task_is_done(kling: Kling, clock: time_machine.Traveller) -> None:
    kling.made(n=9)
    status, body = kling.create(n=1)
    assert (status, body["code"], body["message"]) == (429, 1303, "parallel task over resource pack limit")
    clock.shift(6)
    kling.made(n=4)
    kling.made(n=5)
    assert kling.create(n=1)[0] == 429


def test_the_number_of_slots_can_be_set(kling: Kling, settings: Settings) -> None:
    settings.SANDBOX_SLOTS = 2
    assert kling.create(n=3)[1]["code"] == 1303
    kling.made(n=2)


# Account --------------------------------------------------------------------------------------------------------------


def test_the_account_tells_what_is_left_of_its_pack(kling: Kling, clock: time_machine.Traveller) -> None:
    kling.made(model_name="kling-v2-1", n=2)
    kling.made("[failed]", model_name="kling-v2-1")
    path = "/sandbox/kling/account/costs?start_time=1&end_time=2"
    assert kling.get(path)[1]["data"]["resource_pack_subscribe_infos"][0]["remaining_quantity"] == 100_000
    clock.shift(6)
    status, body = kling.get(path)
    pack = body["data"]["resource_pack_subscribe_infos"][0]
    assert (status, body["code"], body["data"]["code"], body["data"]["msg"]) == (200, 0, 0, "success")
    assert (pack["remaining_quantity"], pack["status"]) == (99_992, "online")


def test_a_pack_of_another_name_is_not_listed(kling: Kling) -> None:
    body = kling.get("/sandbox/kling/account/costs?start_time=1&end_time=2&resource_pack_name=other")[1]
    assert body["data"] == {"code": 0, "msg": "success"}


@pytest.mark.parametrize(("query", "named"), [("end_time=2", "start_time"), ("start_time=1", "end_time")])
def test_both_times_are_required(kling: Kling, query: str, named: str) -> None:
    status, body = kling.get(f"/sandbox/kling/account/costs?{query}")
    assert (status, body["code"], body["message"]) == (400, 1201, f"{named} is required")


# Addresses and methods ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PUT", GENERATIONS, 1202),
        ("POST", f"{GENERATIONS}/123", 1202),
        ("DELETE", f"{GENERATIONS}/123", 1202),
        ("POST", "/sandbox/kling/account/costs", 1202),
        ("GET", "/sandbox/kling/v1/images/nothing", 1203),
        ("POST", f"{GENERATIONS}/", 1203),
    ],
)
def test_a_wrong_method_is_1202_and_a_wrong_address_1203(method: str, path: str, code: int) -> None:
    answer = Client().generic(method, path, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


# Scenarios ------------------------------------------------------------------------------------------------------------


def test_moderated_is_refused_with_1301(kling: Kling) -> None:
    status, body = kling.create("A fox [moderated]")
    assert (status, body["code"], body["message"]) == (400, 1301, RISK)
    assert kling.asked()["accepted"] == 0


def test_no_credit_is_refused_with_1102(kling: Kling) -> None:
    status, body = kling.create("[no-credit] A fox")
    assert (status, body["code"], body["message"]) == (429, 1102, "Account balance not enough")


def test_failed_ends_with_code_0_a_reason_and_no_charge(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made("A fox [failed]")
    clock.shift(6)
    task = kling.task(task_id)
    assert (task["task_status"], task["task_status_msg"]) == ("failed", RISK)
    assert (task["final_unit_deduction"], task["task_result"]) == ("0", {})


def test_slow_takes_a_minute(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made("A fox [slow]")
    clock.shift(59)
    assert kling.task(task_id)["task_status"] == "processing"
    clock.shift(2)
    assert kling.task(task_id)["task_status"] == "succeed"


@pytest.mark.parametrize("fields", [{"external_task_id": "mine"}, {}])
def test_busy_refuses_the_first_two_attempts(kling: Kling, fields: dict[str, object]) -> None:
    codes = [kling.create("[busy]", **fields)[1]["code"] for _ in range(3)]
    assert codes == [1303, 1303, 0]
    assert kling.create("[busy] another", external_task_id="other")[1]["code"] == 1303


def test_broken_json_cuts_the_first_success(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made("[broken-json]")
    assert kling.task(task_id)["task_status"] == "submitted"
    clock.shift(6)
    broken = kling.client.get(f"{GENERATIONS}/{task_id}", headers=KEY)
    assert (broken.status_code, broken["Content-Type"]) == (200, "application/json")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        broken.json()
    assert kling.task(task_id)["task_status"] == "succeed"


def test_html_502_spoils_the_first_query_even_of_a_list(kling: Kling) -> None:
    kling.made("[html-502]")
    page = kling.client.get(GENERATIONS, headers=KEY)
    assert (page.status_code, page["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert page.content.startswith(b"<html>")
    assert len(kling.get(GENERATIONS)[1]["data"]) == 1


def test_gone_succeeds_but_its_files_are_missing(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made("[gone]")
    clock.shift(6)
    url = kling.task(task_id)["task_result"]["images"][0]["url"]
    assert kling.client.get(url).status_code == 404


def test_slow_answer_makes_the_task_long_before_it_answers(kling: Kling, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.02
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(kling.create, "[slow-answer]", external_task_id="mine")
        wait_until(lambda: Kling().get(f"{GENERATIONS}/mine")[0] == 200, "the task is there")
        assert not answer.done()
        assert answer.result()[1]["data"]["task_id"] == kling.task("mine")["task_id"]


def test_slow_files_arrive_in_two_halves(kling: Kling, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.005
    task_id = kling.made("[slow-files]")
    wait_until(lambda: kling.task(task_id)["task_status"] == "succeed", "the task is done")
    answer = kling.client.get(kling.task(task_id)["task_result"]["images"][0]["url"])
    parts = iter(answer)
    first, began = next(parts), time.monotonic()
    rest = b"".join(parts)
    assert time.monotonic() - began > 0.4
    assert abs(len(first) - len(rest)) <= 1
    assert int(answer["Content-Length"]) == len(first + rest)
    with Image.open(io.BytesIO(first + rest)) as image:
        image.load()


# Pictures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, (1360, 768)),
        ({"model_name": "kling-v3", "resolution": "2k"}, (2720, 1536)),
        ({"aspect_ratio": "9:16"}, (768, 1360)),
        ({"aspect_ratio": "1:1"}, (1024, 1024)),
        ({"model_name": "kling-v3", "aspect_ratio": "21:9"}, (1568, 672)),
        ({"model_name": "kling-v2-1", "image": picture(800, 600), "aspect_ratio": "21:9"}, (1168, 880)),
        ({"model_name": "kling-v2-1", "image": "https://example.com/a.png", "aspect_ratio": "3:2"}, (1248, 832)),
    ],
)
def test_pictures_have_the_size_that_was_asked_for(
    kling: Kling, clock: time_machine.Traveller, fields: dict[str, object], size: tuple[int, int]
) -> None:
    task_id = kling.made(**fields)  # type: ignore[arg-type]
    clock.shift(6)
    answer = kling.client.get(kling.task(task_id)["task_result"]["images"][0]["url"])
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("PNG", size)


def test_a_watermarked_copy_is_extra_and_only_on_demand(kling: Kling, clock: time_machine.Traveller) -> None:
    marked, plain = kling.made(watermark_info={"enabled": True}), kling.made()
    clock.shift(6)
    image = kling.task(marked)["task_result"]["images"][0]
    clean, copy = (kling.client.get(image[name]).content for name in ("url", "watermark_url"))
    assert clean.startswith(b"\x89PNG")
    assert copy.startswith(b"\x89PNG")
    assert clean != copy
    address = kling.task(plain)["task_result"]["images"][0]["url"]
    assert kling.client.get(address.replace(".png", "-marked.png")).status_code == 404


def test_pictures_are_there_from_success_for_thirty_days(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made()
    clock.shift(6)
    url = kling.task(task_id)["task_result"]["images"][0]["url"]
    clock.move_to(START)
    assert kling.client.get(url).status_code == 404
    clock.shift(29 * 86_400)
    assert kling.client.get(url).status_code == 200
    clock.shift(2 * 86_400)
    assert kling.client.get(url).status_code == 404


def test_a_key_sent_to_a_file_is_refused_and_remembered(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made()
    clock.shift(6)
    url = kling.task(task_id)["task_result"]["images"][0]["url"]
    assert kling.client.get(url, headers=KEY).status_code == 400
    assert [entry["status"] for entry in kling.asked(dialect="files")["requests"]] == [400]


@pytest.mark.parametrize("name", ["0" * 32 + "-0.png", "nothing"])
def test_a_guessed_file_is_missing(kling: Kling, name: str) -> None:
    assert kling.client.get(f"/sandbox/files/{name}").status_code == 404


def test_a_picture_beyond_the_last_is_missing(kling: Kling, clock: time_machine.Traveller) -> None:
    task_id = kling.made()
    clock.shift(6)
    url = kling.task(task_id)["task_result"]["images"][0]["url"]
    assert kling.client.get(url.replace("-0.png", "-1.png")).status_code == 404
