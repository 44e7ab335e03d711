import contextlib
import copy
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from generations.providers import client, errors, useapi
from generations.providers.client import Call, HostPolicy
from generations.providers.exchange import Account, Capacity, Face, Order, Output, Task, Upload
from generations.providers.kling_fields import IMAGE_REFERENCE
from generations.providers.spec import Operation
from generations.providers.useapi import KOLORS, KOLORS_ELEMENTS, PROVIDER, parse_create, parse_query
from generations.providers.useapi_fields import FACE_STRENGTH, KIND
from tests.providers.fixtures import FOLDER, answer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "0b8f3f5e-8a06-4d7a-9b5d-5f0b8a3c1d2e"
ASSET = "7d9f8a52-8c5e-4d3c-9a0f-0d1f5a9b6c7e"
BASE = "https://api.useapi.net/v1/kling"
ANY = Account(BASE, {"api_token": "user:1234-canary"})
OWN = Account(BASE, {"api_token": "user:1234-canary", "email": "studio@example.com"})
CHOSEN = Account(BASE, {"api_token": "user:1234-canary", "email": "studio@example.com"}, "press+kling@example.com")


def clean(operation: Operation, raw: dict[str, object]) -> dict[str, str]:
    return operation.clean(raw).errors


def body_of(operation: Operation, raw: dict[str, object], account: Account = ANY) -> dict[str, object]:
    cleaned = operation.clean(raw)
    assert cleaned.errors == {}
    pictures = {each.name: f"https://kling.test/{each.name}.png" for each in operation.references}
    request = PROVIDER.build_create(operation, Order(cleaned.values, ID, pictures), account, NOW)
    assert str(request.url) == BASE + operation.path
    body = json.loads(request.content)
    assert isinstance(body, dict)
    return body


# What is sent ---------------------------------------------------------------------------------------------------------


def test_without_a_reference_the_newest_model_makes_one_picture_in_2k() -> None:
    assert body_of(KOLORS, {"prompt": "A vase"}) == {
        "prompt": "A vase",
        "reference": "none",
        "version": "kling-v3-0",
        "resolution": "2k",
        "aspect_ratio": "16:9",
        "imageCount": 1,
        "replyRef": ID,
    }


def test_cited_pictures_go_to_the_newest_model_and_may_decide_the_shape() -> None:
    raw: dict[str, object] = {
        "prompt": "@image_1 like @image_2",
        "image_1": ASSET,
        "image_2": ASSET,
        "aspect_ratio": "auto",
    }
    assert body_of(KOLORS, raw | {"imageCount": "9", "resolution": "1k"}) == {
        "prompt": "@image_1 like @image_2",
        "reference": "none",
        "image_1": "https://kling.test/image_1.png",
        "image_2": "https://kling.test/image_2.png",
        "version": "kling-v3-0",
        "resolution": "1k",
        "aspect_ratio": "auto",
        "imageCount": 9,
        "replyRef": ID,
    }


@pytest.mark.parametrize(
    ("reference", "rest"),
    [
        ("face", {"aspect_ratio": "16:9", "faceStrength": 65, "faceNo": 1}),
        ("subject", {"aspect_ratio": "16:9", "faceStrength": 65, "subjectStrength": 50}),
        ("restyle", {}),
    ],
)
def test_each_kind_of_reference_names_the_model_that_knows_it(reference: str, rest: dict[str, object]) -> None:
    assert body_of(KOLORS, {"prompt": "A vase", "reference": reference, "imageReference": ASSET}) == {
        "prompt": "A vase",
        "reference": reference,
        "imageReference": "https://kling.test/imageReference.png",
        "version": "kling-v2-1",
        "imageCount": 1,
        "replyRef": ID,
        **rest,
    }


def test_elements_send_no_model_and_need_no_prompt() -> None:
    assert body_of(KOLORS_ELEMENTS, {"subjectImage2": ASSET, "styleImage": ASSET, "aspect_ratio": "21:9"}) == {
        "subjectImage2": "https://kling.test/subjectImage2.png",
        "styleImage": "https://kling.test/styleImage.png",
        "aspect_ratio": "21:9",
        "imageCount": 1,
        "replyRef": ID,
    }


@pytest.mark.parametrize(
    ("account", "email"),
    [(ANY, None), (OWN, "studio@example.com"), (CHOSEN, "press+kling@example.com")],
)
def test_every_request_about_one_task_is_made_as_the_same_account(account: Account, email: str | None) -> None:
    upload = Upload(b"bytes", "image/png", "coffee.png")
    addressed = [
        PROVIDER.build_query(KOLORS, Task("123456789", ID), account, NOW),
        useapi.build_upload(upload, account, NOW),
        useapi.build_list(KOLORS, account, 1, NOW),
    ]
    assert body_of(KOLORS, {"prompt": "A vase"}, account).get("email") == email
    assert json.loads(useapi.build_faces("https://kling.test/a.png", account, NOW).content).get("email") == email
    assert [each.url.params.get("email") for each in addressed] == [email] * 3


def test_an_account_chosen_in_the_form_is_sent_unless_another_one_is_certain() -> None:
    raw: dict[str, object] = {"prompt": "A vase", "email": "form@example.com"}
    assert body_of(KOLORS, raw)["email"] == "form@example.com"
    assert body_of(KOLORS, raw, CHOSEN)["email"] == "press+kling@example.com"


def test_the_whole_token_is_the_bearer_in_every_request() -> None:
    task, upload = Task("123456789", ID), Upload(b"bytes", "image/png", "coffee.png")
    order = Order({"prompt": "x"}, ID)
    requests = [
        PROVIDER.build_create(KOLORS, order, ANY, NOW),
        PROVIDER.build_query(KOLORS, task, ANY, NOW),
        PROVIDER.build_checkup(ANY, NOW),
        useapi.build_list(KOLORS, ANY, 1, NOW),
        useapi.build_upload(upload, ANY, NOW),
        useapi.build_accounts(ANY, NOW),
        useapi.build_faces("https://kling.test/a.png", ANY, NOW),
        useapi.build_cancel(task, ANY, NOW),
    ]
    assert {each.headers["authorization"] for each in requests} == {"Bearer user:1234-canary"}
    assert not any("canary" in str(each.url) for each in requests)


# What the form refuses and what it carries ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * 2501}, "prompt"),
        ({"prompt": "@image_1"}, "prompt"),
        ({"reference": "style"}, "reference"),
        ({"reference": "face"}, "imageReference"),
        ({"imageReference": ASSET}, "imageReference"),
        ({"reference": "face", "imageReference": ASSET, "image_1": ASSET}, "image_1"),
        ({"image_2": ASSET}, "image_1"),
        ({"image_1": ASSET, "version": "kling-v2-1"}, "version"),
        ({"reference": "face", "imageReference": ASSET, "version": "kling-v3-0"}, "version"),
        ({"reference": "restyle", "imageReference": ASSET, "version": "kling-v1-5"}, "version"),
        ({"version": "kling-v1-5"}, "version"),
        ({"resolution": "4k"}, "resolution"),
        ({"aspect_ratio": "auto"}, "aspect_ratio"),
        ({"reference": "face", "imageReference": ASSET, "aspect_ratio": "auto"}, "aspect_ratio"),
        ({"imageCount": "10"}, "imageCount"),
        ({"imageCount": "0"}, "imageCount"),
        ({"reference": "face", "imageReference": ASSET, "faceStrength": "101"}, "faceStrength"),
        ({"reference": "subject", "imageReference": ASSET, "subjectStrength": "0"}, "subjectStrength"),
        ({"reference": "face", "imageReference": ASSET, "faceNo": "0"}, "faceNo"),
        ({"email": "x" * 201}, "email"),
    ],
)
def test_what_kolors_cannot_do_is_refused_at_its_field(raw: dict[str, object], field: str) -> None:
    assert list(clean(KOLORS, {"prompt": "A vase"} | raw)) == [field]


def test_elements_want_two_pictures_of_any_kind() -> None:
    assert list(clean(KOLORS_ELEMENTS, {"prompt": "A vase", "subjectImage1": ASSET})) == ["subjectImage2"]
    assert clean(KOLORS_ELEMENTS, {"sceneImage": ASSET, "styleImage": ASSET}) == {}


def test_what_a_reference_does_not_take_is_not_sent() -> None:
    raw: dict[str, object] = {"prompt": "A vase", "reference": "restyle", "imageReference": ASSET}
    unused: dict[str, object] = {
        "resolution": "2k",
        "aspect_ratio": "1:1",
        "faceStrength": "70",
        "subjectStrength": "5",
    }
    assert body_of(KOLORS, raw | unused) == body_of(KOLORS, raw)


@pytest.mark.parametrize(("reference", "model"), [("restyle", "kling-v2-0"), ("face", "kling-v1-5")])
def test_a_retired_model_still_does_what_it_did_without_a_resolution(reference: str, model: str) -> None:
    body = body_of(KOLORS, {"prompt": "A vase", "reference": reference, "imageReference": ASSET, "version": model})
    assert body["version"] == model
    assert "resolution" not in body
    assert all(each.retired for each in KOLORS.capabilities if each.model_name == model)


def test_only_a_new_style_keeps_the_shape_of_its_reference() -> None:
    assert [each for each in KIND.options if KOLORS.follows.holds({"reference": each})] == ["restyle"]


def test_the_picture_and_its_use_mean_the_same_as_at_kling() -> None:
    assert [KIND.neutral("none"), KIND.neutral("face")] == ["", "face"]
    assert [KIND.carried(""), KIND.carried("subject")] == ["none", "subject"]
    assert [IMAGE_REFERENCE.neutral(""), IMAGE_REFERENCE.carried("")] == ["", ""]
    pictures = [each.name for each in KOLORS.references if each.meaning == "picture"]
    assert pictures == ["imageReference", "image_1"]
    assert [FACE_STRENGTH.neutral("65"), FACE_STRENGTH.carried("0.65"), FACE_STRENGTH.carried("0")] == [
        "0.65",
        "65",
        "1",
    ]


# What is answered -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "known"),
    [
        ("kolors__submitted", "123456789"),
        ("kolors__submitted-18-digits", "867283747301269523"),
        ("kolors-elements__submitted", "123456789"),
    ],
)
def test_an_accepted_task_keeps_its_number_as_text(case: str, known: str) -> None:
    assert parse_create(answer(f"useapi/{case}")).task_id == known


@pytest.mark.parametrize(
    "case",
    [
        "submitted-without-id",
        "submitted-without-task",
        "error-on-200",
        "html-200",
        "broken-json",
        "list-instead",
        "html-502",
        "refused-408",
        "refused-500-other",
        "refused-500-without-error",
        "refused-503",
        "refused-504",
    ],
)
def test_an_answer_that_names_no_task_leaves_its_fate_unknown(case: str) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        parse_create(answer(f"useapi/kolors__{case}"))
    assert not caught.value.fate_known


REFUSALS = {
    "turned-down": errors.Refused,
    "turned-down-by-number": errors.Refused,
    "turned-down-moderation": errors.Moderated,
    "html-404": errors.Refused,
    "refused-400": errors.Refused,
    "refused-400-moderation": errors.Moderated,
    "refused-400-from-behind": errors.Refused,
    "refused-401": errors.AccountTrouble,
    "refused-402": errors.OutOfCredit,
    "refused-403": errors.ReferenceUnknown,
    "refused-404-asset": errors.ReferenceUnknown,
    "refused-404-account": errors.Refused,
    "refused-405": errors.Refused,
    "refused-410": errors.Refused,
    "refused-412": errors.AccountOut,
    "refused-422": errors.Moderated,
    "refused-429": errors.Busy,
    "refused-500-moderation": errors.Moderated,
    "refused-596": errors.AccountOut,
}


@pytest.mark.parametrize(("case", "kind"), REFUSALS.items())
def test_each_refusal_has_its_policy_and_keeps_the_providers_own_words(
    case: str, kind: type[errors.ProviderError]
) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        parse_create(answer(f"useapi/kolors__{case}"))
    assert type(caught.value) is kind
    assert caught.value.fate_known
    assert caught.value.code
    assert caught.value.details


def test_what_useapi_passes_on_from_behind_is_told_as_well() -> None:
    with pytest.raises(errors.Refused) as caught:
        parse_create(answer("useapi/kolors__refused-400-from-behind"))
    assert caught.value.details == "Request contains an invalid argument."


@pytest.mark.parametrize(
    ("case", "headers", "seconds"),
    [
        ("429", {}, None),
        ("429", {"retry-after": "7"}, 7.0),
        ("429-with-header", {}, 45.0),
        ("429-with-moment", {}, 30.0),
        ("429-with-moment", {"retry-after": "12"}, 12.0),
        ("429-with-moment", {"date": "Sat, 21 Nov 2026 13:00:00 GMT"}, 0.0),
        ("429-with-moment", {"date": "Sat, 21 Nov 2020 13:00:00 GMT"}, 3600.0),
        ("429-with-moment", {"date": "yesterday"}, None),
        ("429-with-moment", {"date": "Sat, 21 Nov 2026 12:00:00 -0000"}, None),
        ("429-with-moment", {"date": "Sat, 21 Nov 2026 12:00:00 +99999999999999"}, None),
    ],
)
def test_the_advice_to_wait_is_taken_from_the_header_or_by_the_providers_clock(
    case: str, headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(errors.Busy) as caught:
        parse_create(answer(f"useapi/kolors__refused-{case}", headers))
    assert caught.value.retry_after == seconds


def test_a_596_survives_the_wire() -> None:
    kept = answer("useapi/kolors__refused-596")
    head = f"HTTP/1.1 596 Account Error\r\nContent-Length: {len(kept.content)}\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(head.encode() + kept.content)

        threading.Thread(target=serve, daemon=True).start()
        pair = f"127.0.0.1:{listener.getsockname()[1]}"
        there = Account(f"http://{pair}/v1/kling", ANY.secrets)
        request = PROVIDER.build_create(KOLORS, Order({"prompt": "A vase"}, ID), there, NOW)
        call = Call(request, 5, HostPolicy(frozenset({pair}), trusted=frozenset({pair})), lane="useapi", paid=True)
        reply = client.shared().send(call).result(10)
    assert isinstance(reply, httpx.Response)
    with pytest.raises(errors.AccountOut, match="sign in") as caught:
        parse_create(reply)
    assert caught.value.code == "596"


def test_a_finished_task_gives_its_pictures_and_no_thumbnails() -> None:
    progress = parse_query(answer("useapi/kolors__succeed"))
    assert (progress.state, progress.task_id, progress.cost) == ("succeeded", "123456789", None)
    assert progress.outputs == (
        Output(0, "https://s21-kling.klingai.com/a.png"),
        Output(1, "https://s21-kling.klingai.com/b.png"),
    )


def test_one_picture_that_failed_does_not_lose_the_other() -> None:
    progress = parse_query(answer("useapi/kolors__succeed-one-of-two"))
    assert progress.state == "succeeded"
    assert progress.outputs == (Output(1, "https://s21-kling.klingai.com/b.png"),)


@pytest.mark.parametrize(
    "case",
    [
        "submitted",
        "processing",
        "unknown-status",
        "succeed-not-final",
        "succeed-without-works",
        "succeed-works-no-list",
        "succeed-strange-works",
        "succeed-video",
    ],
)
def test_whatever_is_not_an_end_is_still_running(case: str) -> None:
    progress = parse_query(answer(f"useapi/kolors__{case}"))
    assert (progress.state, progress.outputs) == ("running", ())


@pytest.mark.parametrize(
    ("case", "reason", "moderated"),
    [
        ("failed-moderation", "The content you uploaded appears to violate", True),
        ("failed-other", "The picture is too small", False),
        ("failed-without-task", "It could not be made", False),
        ("succeed-all-failed", "", False),
    ],
)
def test_a_failed_task_gives_its_reason_and_whether_it_was_moderation(case: str, reason: str, moderated: bool) -> None:
    progress = parse_query(answer(f"useapi/kolors__{case}"))
    assert progress.state == "failed"
    assert progress.reason.startswith(reason)
    assert progress.moderated is moderated


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("refused-404-asset", errors.NotFound),
        ("refused-410", errors.NotFound),
        ("html-404", errors.NotFound),
        ("refused-596", errors.AccountOut),
        ("html-502", errors.Unavailable),
        ("html-200", errors.Unreadable),
        ("error-on-200", errors.Unreadable),
    ],
)
def test_a_look_up_that_is_refused_says_why(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        parse_query(answer(f"useapi/kolors__{case}"))
    assert type(caught.value) is kind


# Helpers --------------------------------------------------------------------------------------------------------------


def test_a_picture_is_uploaded_as_it_is_with_its_type() -> None:
    request = useapi.build_upload(Upload(b"\x89PNG", "image/png", "coffee.png"), CHOSEN, NOW)
    assert (request.method, request.content) == ("POST", b"\x89PNG")
    assert str(request.url) == f"{BASE}/assets?email=press%2Bkling%40example.com"
    assert request.headers["content-type"] == "image/png"
    uploaded = useapi.parse_upload(answer("useapi/assets__uploaded"))
    assert uploaded.address == "https://s21-kling.klingai.com/ai-platform/1234/coffee.png"
    assert PROVIDER.uploads
    assert PROVIDER.uploads.keeps == timedelta(days=7)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("assets__unusable", errors.Refused),
        ("assets__without-url", errors.Unreadable),
        ("assets__refused-400", errors.Refused),
        ("kolors__error-on-200", errors.Unreadable),
    ],
)
def test_an_upload_that_failed_gives_no_address(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        useapi.parse_upload(answer(f"useapi/{case}"))
    assert type(caught.value) is kind


def test_faces_are_counted_from_one_with_their_boxes() -> None:
    request = useapi.build_faces("https://kling.test/a.png", OWN, NOW)
    assert str(request.url) == f"{BASE}/images/recognize-faces"
    assert json.loads(request.content) == {"email": "studio@example.com", "imageReference": "https://kling.test/a.png"}
    assert useapi.parse_faces(answer("useapi/faces__two")) == (
        Face(1, 120, 80, 200, 240),
        Face(2, 520.5, 96, 180, 210),
    )
    assert useapi.parse_faces(answer("useapi/faces__none")) == ()


def test_a_face_without_a_box_leaves_the_numbers_of_the_others() -> None:
    assert useapi.parse_faces(answer("useapi/faces__strange")) == (Face(8, 1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("faces__refused-400", errors.Refused),
        ("kolors__refused-404-asset", errors.ReferenceUnknown),
        ("kolors__error-on-200", errors.Unreadable),
    ],
)
def test_faces_that_cannot_be_looked_for_say_why(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        useapi.parse_faces(answer(f"useapi/{case}"))
    assert type(caught.value) is kind


def test_each_account_tells_how_much_room_it_has() -> None:
    assert str(useapi.build_accounts(OWN, NOW).url) == f"{BASE}/scheduler/available"
    assert useapi.parse_accounts(answer("useapi/scheduler__available")) == (
        Capacity("studio@example.com", 5, 4),
        Capacity("press@example.com", 3, 0),
    )
    assert useapi.parse_accounts(answer("useapi/scheduler__strange")) == (Capacity("studio@example.com", 5, 0),)
    with pytest.raises(errors.Unreadable):
        useapi.parse_accounts(answer("useapi/scheduler__without-list"))


def test_a_checkup_asks_for_all_accounts_or_for_the_only_one() -> None:
    assert str(PROVIDER.build_checkup(ANY, NOW).url) == f"{BASE}/accounts"
    assert str(PROVIDER.build_checkup(OWN, NOW).url) == f"{BASE}/accounts/studio@example.com"


@pytest.mark.parametrize(
    ("case", "words", "slots"),
    [
        ("two", "2 Kling accounts", [5, 3]),
        ("one", "one Kling account", [5]),
        ("one-with-balance", "66,000 points left", [5]),
        ("one-with-strange-balance", "one Kling account", [5]),
    ],
)
def test_a_checkup_says_who_is_there_and_what_is_left(case: str, words: str, slots: list[int]) -> None:
    checkup = PROVIDER.parse_checkup(answer(f"useapi/accounts__{case}"))
    assert checkup.balance == words
    assert [each.slots for each in checkup.accounts] == [each.free for each in checkup.accounts] == slots
    assert checkup.accounts[0].name == "studio@example.com"


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("accounts__none", errors.AccountTrouble),
        ("accounts__refused-401", errors.AccountTrouble),
        ("kolors__error-on-200", errors.Unreadable),
    ],
)
def test_a_credential_that_cannot_work_says_so(case: str, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        PROVIDER.parse_checkup(answer(f"useapi/{case}"))
    assert type(caught.value) is kind


def test_the_tasks_of_the_last_day_are_asked_for_at_once() -> None:
    params = useapi.build_list(KOLORS, OWN, 1, NOW).url.params
    since = int((NOW - timedelta(days=1)).timestamp() * 1000)
    assert dict(params) == {
        "email": "studio@example.com",
        "contentType": "image",
        "pageSize": "100",
        "createdAfter": str(since),
    }
    found = useapi.parse_list(answer("useapi/tasks__list"))
    assert [(each.task_id, each.external_id, each.progress.state) for each in found] == [
        ("123456789", "", "succeeded"),
        ("123456790", ID, "running"),
    ]
    assert useapi.parse_list(answer("useapi/tasks__list-of-an-empty-account")) == ()


def test_a_task_is_taken_off_the_scheduler_by_its_number() -> None:
    request = useapi.build_cancel(Task("123456789", ID), OWN, NOW)
    assert (request.method, str(request.url)) == ("DELETE", f"{BASE}/scheduler/123456789")


# Whatever comes -------------------------------------------------------------------------------------------------------

PARSERS: dict[str, Callable[[httpx.Response], object]] = {
    "kolors__submitted": parse_create,
    "kolors__succeed": parse_query,
    "kolors__refused-404-asset": parse_create,
    "kolors__refused-429-with-moment": parse_create,
    "tasks__list": useapi.parse_list,
    "assets__uploaded": useapi.parse_upload,
    "faces__two": useapi.parse_faces,
    "scheduler__available": useapi.parse_accounts,
    "accounts__one-with-balance": PROVIDER.parse_checkup,
    "accounts__two": PROVIDER.parse_checkup,
}
ODD: list[object] = [
    None,
    True,
    0,
    -1,
    1.5,
    1e400,
    "",
    "\x00",
    "9" * 500,
    10**400,
    [],
    [[]],
    {},
    {"id": {}},
    ["x", None],
]


def changed(body: object) -> Iterator[object]:
    """The body with each of its values in turn replaced by something odd."""
    for path in paths(body):
        for odd in ODD:
            whole = copy.deepcopy(body)
            inner = whole
            for step in path[:-1]:
                inner = inner[step]  # type: ignore[index]
            inner[path[-1]] = odd  # type: ignore[index]
            yield whole


def paths(body: object) -> Iterator[list[object]]:
    entries = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for step, inner in entries:
        yield [step]
        yield from ([step, *rest] for rest in paths(inner))


@pytest.mark.parametrize(("case", "parse"), PARSERS.items())
def test_an_answer_with_any_one_value_changed_is_read_or_raises_a_provider_error(
    case: str, parse: Callable[[httpx.Response], object]
) -> None:
    kept = json.loads((FOLDER / f"useapi/{case}.json").read_text())
    for body in changed(kept["body"]):
        with contextlib.suppress(errors.ProviderError):
            parse(httpx.Response(kept["status"], headers=kept["headers"], text=json.dumps(body)))


@pytest.mark.parametrize("parse", PARSERS.values())
@pytest.mark.parametrize("status", [200, 204, 301, 404, 429, 500, 596])
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"0", b'"text"', b"{}", b"\xff\xfe", b"<html>", b"[" * 9999])
def test_what_is_no_answer_at_all_raises_a_provider_error(
    parse: Callable[[httpx.Response], object], status: int, body: bytes
) -> None:
    with pytest.raises(errors.ProviderError):
        parse(httpx.Response(status, content=body, headers={"content-type": "text/html; charset=base64"}))


def test_a_moment_beyond_all_calendars_is_none() -> None:
    [listed] = useapi.parse_list(httpx.Response(200, json={"history": [{"task": {"id": 7, "createTime": 10**30}}]}))
    assert listed.created_at is None
