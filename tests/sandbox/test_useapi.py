"""useapi: tasks from creation to pictures, accounts and the scheduler, in its words."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.test import Client
from PIL import Image
from pytest_django import Settings

from tests.sandbox.conftest import START
from tests.sandbox.useapi_client import ANNA, BASE, BEN, TOKEN, V21, Useapi

START_MS = int(START.timestamp() * 1000)


@pytest.fixture
def useapi() -> Useapi:
    return Useapi()


def test_creating_answers_with_the_shape_of_the_document(useapi: Useapi, clock: time_machine.Traveller) -> None:
    status, body = useapi.create(**V21, aspect_ratio="4:3", replyUrl="https://example.com/hook", replyRef="mine")
    assert status == 200
    task_id = body["task"].pop("id")
    assert isinstance(task_id, int)
    assert len(str(task_id)) == 12
    submitted = {"status": 5, "status_name": "submitted", "status_final": False}
    arguments = {
        "prompt": "A fox",
        "aspect_ratio": "4:3",
        "imageCount": "1",
        "kolors_version": "2.1",
        "style": "默认",
        "biz": "klingai",
    }
    assert body == {
        "task": {
            "userId": 10_001,
            "type": "mmu_txt2img_aiweb",
            "scene": "NORMAL_CREATION",
            **submitted,
            "taskInfo": {
                "type": "mmu_txt2img_aiweb",
                "inputs": [],
                "arguments": [{"name": name, "value": value} for name, value in arguments.items()],
                "extraArgs": {},
                "callbackPayloads": [],
                "scene": "NORMAL_CREATION",
            },
            "favored": False,
            "deleted": False,
            "viewed": False,
            "createTime": START_MS,
            "updateTime": START_MS,
        },
        "works": [],
        **submitted,
        "message": "",
        "limitation": {"type": "mmu_txt2img_aiweb", "remaining": 10_000, "limit": 10_000},
        "userPoints": {"points": [], "total": 0},
        "userTickets": {"ticket": []},
        "editProject": None,
    }


def test_a_task_is_submitted_then_processing_then_succeeds(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made()
    seen = []
    for seconds in (0, 0.8, 5.1):
        clock.move_to(START_MS / 1000 + seconds)
        seen.append(useapi.task(task_id))
    told = [(task["status"], task["status_name"], task["status_final"], len(task["works"])) for task in seen]
    assert told == [(5, "submitted", False, 0), (10, "processing", False, 0), (99, "succeed", True, 2)]
    assert seen[0]["queuingEtaTime"] == seen[0]["etaTime"] > seen[1]["etaTime"] > seen[2]["etaTime"] == 0
    assert [task["message"] for task in seen] == ["", "", "success"]
    first, second = seen[2]["works"]
    assert (first["status_name"], first["contentType"], first["taskId"]) == ("succeed", "image", task_id)
    assert first["workId"] != second["workId"]
    assert (first["resource"]["width"], first["resource"]["height"]) == (2720, 1536)
    answer = useapi.client.get(first["resource"]["resource"])
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == ("PNG", (2720, 1536))


def test_pictures_are_there_for_a_week(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made()
    clock.shift(6)
    url = useapi.task(task_id)["works"][0]["resource"]["resource"]
    clock.shift(6 * 86_400)
    assert useapi.client.get(url).status_code == 200
    clock.shift(86_400)
    assert useapi.client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"resolution": "1k"}, (1360, 768)),
        (V21, (2720, 1536)),
        ({**V21, "resolution": "1k", "aspect_ratio": "1:1"}, (1024, 1024)),
        ({"image_3": 1, "aspect_ratio": "auto"}, (2368, 1776)),
        ({"image_3": 1, "aspect_ratio": "9:16"}, (1536, 2720)),
        ({**V21, "reference": "restyle", "imageReference": 1}, (1168, 880)),
        ({**V21, "reference": "subject", "imageReference": 1, "aspect_ratio": "1:1"}, (1024, 1024)),
    ],
)
def test_pictures_have_the_shape_that_was_asked_for(
    useapi: Useapi, clock: time_machine.Traveller, fields: dict[str, object], size: tuple[int, int]
) -> None:
    url = useapi.asset(800, 600)
    task_id = useapi.made(**{name: url if value == 1 else value for name, value in fields.items()})  # type: ignore[arg-type]
    clock.shift(6)
    work = useapi.task(task_id)["works"][0]["resource"]
    assert (work["width"], work["height"]) == size


def test_elements_become_a_task_of_their_own_kind(useapi: Useapi, clock: time_machine.Traveller) -> None:
    urls = {"subjectImage2": useapi.asset(), "styleImage": useapi.asset()}
    status, body = useapi.combine(**urls, imageCount=3)
    assert status == 200
    assert body["task"]["type"] == "mmu_multi_img2img_aiweb"
    assert {each["name"]: each["url"] for each in body["task"]["taskInfo"]["inputs"]} == urls
    clock.shift(6)
    assert len(useapi.task(body["task"]["id"])["works"]) == 3


def test_a_face_is_told_with_its_bound_and_its_strength(useapi: Useapi) -> None:
    fields = {**V21, "reference": "face", "imageReference": useapi.asset(333, 400), "faceNo": 3, "faceStrength": 70}
    info = useapi.create(**fields)[1]["task"]["taskInfo"]  # type: ignore[arg-type]
    arguments = {each["name"]: each["value"] for each in info["arguments"]}
    assert (arguments["kolors_version"], arguments["fidelity"]) == ("1.5", "0.7")
    assert arguments["faceBound"] == '{"x":249,"y":66,"width":55,"height":200}'
    assert info["inputs"][0]["name"] == "input"
    assert {"name": "referenceImageWidth", "value": "333"} in info["callbackPayloads"]


# Door -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer sandbox-key"}, {"Authorization": "user:1-sandbox-key"}]
)
def test_a_wrong_token_is_401(header: dict[str, str]) -> None:
    answer = Client().get(f"{BASE}/accounts", headers=header)
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized", "code": 401})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/images/kolors", 405),
        ("GET", "/assets", 405),
        ("GET", "/images/nothing", 404),
        ("POST", "/nothing", 404),
    ],
)
def test_a_wrong_method_is_405_and_a_wrong_address_404(method: str, path: str, status: int) -> None:
    answer = Client().generic(method, BASE + path, headers=TOKEN)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize("path", ["/tasks", "/tasks/123"])
def test_with_two_accounts_each_question_needs_an_email(useapi: Useapi, path: str) -> None:
    assert useapi.get(path) == (400, {"error": "Parameter email is required"})


def test_a_creation_or_an_upload_without_an_email_is_refused(useapi: Useapi) -> None:
    useapi.email = ""
    required = (400, {"error": "Parameter email is required"})
    assert useapi.create() == useapi.combine() == useapi.send(b"") == required
    assert useapi.post("/images/kolors", {"prompt": "A fox"}) == required


def test_an_account_that_is_not_there_is_404(useapi: Useapi) -> None:
    useapi.email = "charlie@sandbox.example"
    status, body = useapi.create()
    assert (status, body) == useapi.get("/accounts/charlie@sandbox.example")
    assert (status, body["error"].split(".")[0]) == (404, "Account configuration not found")


# Tasks ----------------------------------------------------------------------------------------------------------------


def test_a_task_belongs_to_its_account(useapi: Useapi) -> None:
    task_id = useapi.made()
    assert useapi.get(f"/tasks/{task_id}", email=BEN)[0] == 404
    assert useapi.get("/tasks/123", email=ANNA) == (404, {"error": "Task 123 was not found", "message": "Not Found"})
    assert useapi.get("/tasks/x1", email=ANNA) == (400, {"error": "Invalid task_id parameter"})


def test_the_list_is_newest_first_and_between_moments(useapi: Useapi, clock: time_machine.Traveller) -> None:
    made = []
    for number in range(3):
        made.append(useapi.made(f"Fox {number}"))
        clock.shift(10)
    ids = [
        [entry["task"]["id"] for entry in useapi.get("/tasks", email=ANNA, **query)[1]["history"]]
        for query in (
            {},
            {"pageSize": 1, "contentType": "image"},
            {"createdAfter": START_MS},
            {"createdBefore": START_MS + 10_000},
            {"contentType": "video"},
        )
    ]
    assert ids == [made[::-1], [made[2]], [made[2], made[1]], [made[0]], []]
    assert useapi.get("/tasks", email=BEN)[1] == {"history": []}
    entry = useapi.get("/tasks", email=ANNA)[1]["history"][0]
    assert entry.keys() == {"task", "works"}
    assert len(entry["works"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": 0},
        {"pageSize": 101},
        {"pageSize": "x"},
        {"createdAfter": -1},
        {"createdAfter": 1, "createdBefore": 2},
        {"contentType": "text"},
        {"page": 1},
    ],
)
def test_a_list_with_wrong_parameters_is_refused(useapi: Useapi, query: dict[str, str | int]) -> None:
    assert useapi.get("/tasks", email=ANNA, **query) == (400, {"error": "Invalid parameters"})


def test_a_deleted_task_is_gone_but_stays_paid(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made()
    assert useapi.delete(f"/tasks/{task_id}", email=ANNA).status_code == 404
    clock.shift(6)
    work = useapi.task(task_id)["works"][0]
    answer = useapi.client.delete(f"{BASE}/tasks/{task_id}", query_params={"email": ANNA}, headers=TOKEN)
    assert answer.json() == {"deleted": 2, "workIds": [task_id * 10, task_id * 10 + 1]}
    assert useapi.client.get(work["resource"]["resource"]).status_code == 404
    assert useapi.get(f"/tasks/{task_id}", email=ANNA)[0] == 404
    assert useapi.get("/tasks", email=ANNA)[1] == {"history": []}
    assert useapi.get(f"/accounts/{ANNA}")[1]["balance"]["total"] == 66_000 - 400
    assert useapi.asked(dialect="useapi")["accepted"] == 1
    again = useapi.client.delete(f"{BASE}/tasks/{task_id}", query_params={"email": ANNA}, headers=TOKEN)
    assert (again.status_code, again.json()) == (404, {"error": f"No works found for task {task_id}"})


# Capacity -------------------------------------------------------------------------------------------------------------


def test_each_account_runs_as_many_requests_as_it_has_places(useapi: Useapi, clock: time_machine.Traveller) -> None:
    for _ in range(3):
        useapi.made(imageCount=9)
    answer = useapi.client.post(
        f"{BASE}/images/kolors", {"email": ANNA, "prompt": "A fox"}, content_type="application/json", headers=TOKEN
    )
    assert (answer.status_code, answer["Retry-After"]) == (429, "10")
    assert answer.json() == {
        "error": f"All job slots of {ANNA} are busy. Try again later.",
        "code": 429,
        "retryAfter": "2026-11-20T12:00:10.000Z",
    }
    useapi.email = BEN
    useapi.made()
    useapi.made()
    assert useapi.create()[0] == 429
    clock.shift(6)
    useapi.made()


def test_a_call_may_ask_for_fewer_places_but_not_for_more(useapi: Useapi) -> None:
    useapi.made(maxJobs=50)
    assert useapi.create(maxJobs=1)[0] == 429
    useapi.made(maxJobs=2)
    useapi.made(maxJobs=50)
    assert useapi.create(maxJobs=50)[0] == 429


def test_a_hurried_sandbox_asks_for_a_shorter_wait(useapi: Useapi, settings: Settings) -> None:
    settings.SANDBOX_PACE = 0.01
    body = {"email": ANNA, "prompt": "[busy]"}
    answer = useapi.client.post(f"{BASE}/images/kolors", body, content_type="application/json", headers=TOKEN)
    assert answer["Retry-After"] == "1"


def test_many_threads_take_no_more_than_the_places(useapi: Useapi) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: Useapi().create(f"Fox {number}")[0], range(12)))
    assert sorted(answers) == [200] * 3 + [429] * 9


def test_the_scheduler_tells_what_runs_and_what_is_free(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made(replyUrl="https://example.com/hook", replyRef="mine")
    clock.shift(1)
    job = {
        "id": task_id,
        "email": ANNA,
        "started": "2026-11-20T12:00:00.000Z",
        "elapsed": "00:01",
        "replyUrl": "https://example.com/hook",
        "replyRef": "mine",
    }
    assert useapi.get("/scheduler") == (200, [job])
    free = [
        {"email": ANNA, "maxJobs": 3, "executing": 1, "available": 2},
        {"email": BEN, "maxJobs": 2, "executing": 0, "available": 2},
    ]
    assert useapi.get("/scheduler/available") == (200, {"executing": [job], "available": free})
    clock.shift(5)
    assert useapi.get("/scheduler") == (200, [])


def test_a_waiting_task_can_be_let_go_and_is_made_and_paid_all_the_same(
    useapi: Useapi, clock: time_machine.Traveller
) -> None:
    task_id = useapi.made("[slow]")
    answer = useapi.delete(f"/scheduler/{task_id}")
    assert (answer.status_code, answer.getvalue()) == (200, b"")
    assert useapi.get("/scheduler") == (200, [])
    clock.shift(61)
    assert useapi.task(task_id)["status_name"] == "succeed"
    assert useapi.get(f"/accounts/{ANNA}")[1]["balance"]["total"] == 66_000 - 400


def test_a_task_in_work_cannot_be_let_go(useapi: Useapi, clock: time_machine.Traveller) -> None:
    task_id = useapi.made()
    clock.shift(1)
    answer = useapi.client.delete(f"{BASE}/scheduler/{task_id}", headers=TOKEN)
    assert (answer.status_code, answer.json()) == (404, {"error": f"Unable to locate running task_id {task_id}"})


def test_accounts_tell_their_places_and_one_also_what_is_left(useapi: Useapi, clock: time_machine.Traveller) -> None:
    told = useapi.get("/accounts")[1]
    assert {email: account["maxJobs"] for email, account in told.items()} == {ANNA: 3, BEN: 2}
    assert (told[BEN]["email"], told[BEN]["password"]) == (BEN, "…secured…")
    useapi.made(imageCount=3, **V21)
    useapi.made("[failed]")
    clock.shift(6)
    one = useapi.get(f"/accounts/{ANNA}")[1]
    balance = one.pop("balance")
    assert one == told[ANNA]
    assert (balance["total"], balance["points"][0]["amount"], balance["points"][0]["balance"]) == (
        65_700,
        66_000,
        65_700,
    )
    assert useapi.get(f"/accounts/{BEN}")[1]["balance"]["total"] == 66_000
