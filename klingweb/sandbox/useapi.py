"""useapi.net's Kling API v1: pictures with KOLORS, tasks, accounts and the scheduler, as its pages describe them.

A task holds one place of its account until it is done, however many pictures it makes; an account has `maxJobs` places,
or fewer if the call says so. Where the pages are silent: an unknown account is a 404, also when a task is created;
a list of tasks has 20 entries and at most 100; a deleted task is unknown from then on.
"""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path

from klingweb.sandbox import playing, store, tasks, useapi_assets
from klingweb.sandbox import useapi_answers as answers
from klingweb.sandbox.callbacks import PROGRESS_AND_END, Caller
from klingweb.sandbox.fields import WrongValueError
from klingweb.sandbox.pictures import size_for
from klingweb.sandbox.playing import Place, Refusal, RefusalError, Wish
from klingweb.sandbox.serving import Endpoint
from klingweb.sandbox.store import Visit
from klingweb.sandbox.tasks import Stage, Task
from klingweb.sandbox.uploads import Upload
from klingweb.sandbox.useapi_door import (
    ACCOUNTS,
    DIALECT,
    MODERATED,
    NO_CREDIT,
    NO_SUCH_ACCOUNT,
    Account,
    RefusedError,
    account,
    bad_request,
    busy,
    iso,
    read_body,
    resource,
)
from klingweb.sandbox.useapi_faces import Bound, faces_in
from klingweb.sandbox.useapi_rules import Order, read_elements, read_kolors

NEVER = 2**63 - 1
USUAL_PAGE_SIZE, LARGEST_PAGE = 20, 100
LIST_PARAMETERS = ("email", "contentType", "pageSize", "createdBefore", "createdAfter")
CONTENT_TYPES = ("image", "video", "audio")
SESSION_ENDS = 4_102_444_800_000
"""The year 2100: these accounts never need to sign in again."""


# Create ---------------------------------------------------------------------------------------------------------------


def kolors(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST /images/kolors."""
    return _create(request, visit, "/images/kolors")


def kolors_elements(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """POST /images/kolors-elements."""
    return _create(request, visit, "/images/kolors-elements")


READERS = {"/images/kolors": read_kolors, "/images/kolors-elements": read_elements}


def _create(request: HttpRequest, visit: Visit, endpoint: str) -> HttpResponseBase:
    body = read_body(request)
    visit.external_task_id = str(body.get("replyRef", ""))
    owner = account(body.get("email"))
    try:
        order = READERS[endpoint](body)
    except WrongValueError as error:
        raise bad_request(str(error)) from error
    wish = _wish(request, owner, order)
    place = Place(DIALECT, endpoint, new_id=tasks.new_web_id, named_once=False)
    try:
        caller = Caller(partial(answers.called, request), PROGRESS_AND_END)
        return playing.accept(
            place, wish, visit, lambda task: JsonResponse(answers.created(task, tasks.now_ms())), caller
        )
    except RefusalError as error:
        raise _refused(error.refusal, owner) from error


def _refused(refusal: Refusal, owner: Account) -> RefusedError:
    if refusal is Refusal.MODERATED:
        return RefusedError(500, MODERATED)
    return RefusedError(412, NO_CREDIT) if refusal is Refusal.NO_CREDIT else busy(owner.email)


def _wish(request: HttpRequest, owner: Account, order: Order) -> Wish:
    assets = useapi_assets.find_all(request, owner, order.references)
    face = _face(assets["imageReference"], order.face) if order.face else None
    return Wish(
        prompt=order.asked["prompt"],
        pictures=order.asked["imageCount"],
        size=size_for(order.resolution, _ratio(order, assets)),
        units=order.points,
        external_id=order.asked.get("replyRef", ""),
        callback=order.asked.get("replyUrl", ""),
        details=answers.remembered(order, assets, order.references, face),
        account=owner.email,
        room=min(owner.max_jobs, order.asked.get("maxJobs", owner.max_jobs)),
    )


def _face(asset: Upload, number: int) -> Bound:
    found = faces_in(*useapi_assets.size(asset))
    if number > len(found):
        raise bad_request(f"faceNo {number} is out of range, faces found in imageReference: {len(found)}")
    return found[number - 1]


def _ratio(order: Order, assets: dict[str, Upload]) -> float:
    if order.shaped_by:
        width, height = useapi_assets.size(assets[order.shaped_by])
    else:
        width, height = map(int, order.asked["aspect_ratio"].split(":"))
    return width / height


# Tasks ----------------------------------------------------------------------------------------------------------------


def query(request: HttpRequest, visit: Visit, task_id: str) -> HttpResponseBase:
    """GET /tasks/{task_id}?email=."""
    task = _find(request, visit, task_id)
    if task is None:
        raise RefusedError(404, {"error": f"Task {task_id} was not found", "message": "Not Found"})
    now = tasks.now_ms()
    return playing.spoiled(JsonResponse(answers.whole(request, task, now)), visit, [task], now)


def delete(request: HttpRequest, visit: Visit, task_id: str) -> HttpResponseBase:
    """DELETE /tasks/{task_id}?email=: a finished task and its pictures, for good."""
    task = _find(request, visit, task_id)
    works = answers.works(request, task, tasks.now_ms()) if task else []
    if task is None or not works:
        raise RefusedError(404, {"error": f"No works found for task {task_id}"})
    store.remove(task)
    return JsonResponse({"deleted": len(works), "workIds": [work["workId"] for work in works]})


def query_list(request: HttpRequest, visit: Visit) -> HttpResponseBase:
    """GET /tasks?email=[&contentType=][&pageSize=][&createdBefore= or &createdAfter=], newest first."""
    owner = account(request.GET.get("email"))
    if not _is_fine(request):
        raise bad_request("Invalid parameters")
    found = store.between(
        DIALECT,
        owner.email,
        after=int(request.GET.get("createdAfter", -1)),
        before=int(request.GET.get("createdBefore", NEVER)),
        size=int(request.GET.get("pageSize", USUAL_PAGE_SIZE)),
    )
    shown = found if request.GET.get("contentType", "image") == "image" else []
    now = tasks.now_ms()
    answer = JsonResponse({"history": [answers.listed(request, task, now) for task in shown]})
    return playing.spoiled(answer, visit, shown, now)


def _is_fine(request: HttpRequest) -> bool:
    given = request.GET.dict()
    numbers = [given[name] for name in ("pageSize", "createdBefore", "createdAfter") if name in given]
    return (
        all(name in LIST_PARAMETERS for name in given)
        and all(number.isascii() and number.isdecimal() and int(number[:20]) <= NEVER for number in numbers)
        and 1 <= int(given.get("pageSize", USUAL_PAGE_SIZE)) <= LARGEST_PAGE
        and given.get("contentType", "image") in CONTENT_TYPES
        and not {"createdBefore", "createdAfter"} <= given.keys()
    )


def _find(request: HttpRequest, visit: Visit, task_id: str) -> Task | None:
    owner = account(request.GET.get("email"))
    if not (task_id.isascii() and task_id.isdecimal()):
        raise bad_request("Invalid task_id parameter")
    task = store.find_by_id(DIALECT, task_id, owner.email)
    if task:
        visit.task_id, visit.external_task_id = task.id, task.external_id
    return task


# Scheduler ------------------------------------------------------------------------------------------------------------


def scheduler(_request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """GET /scheduler: what is running."""
    return JsonResponse(_jobs(), safe=False)


def available(_request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """GET /scheduler/available: what is running, and how many places each account has left."""
    jobs = _jobs()
    return JsonResponse({"executing": jobs, "available": [_capacity(owner, jobs) for owner in ACCOUNTS.values()]})


def _jobs() -> list[dict[str, Any]]:
    now = tasks.now_ms()
    return [answers.job(task, now) for task in store.holding(DIALECT, now)]


def _capacity(owner: Account, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    running = sum(job["email"] == owner.email for job in jobs)
    free = owner.max_jobs - running
    return {"email": owner.email, "maxJobs": owner.max_jobs, "executing": running, "available": free}


def untrack(_request: HttpRequest, visit: Visit, task_id: str) -> HttpResponseBase:
    """DELETE /scheduler/{task_id}, while work on it has not begun: its place is free again.

    "The task will still be executed by Kling" (page of 18 April 2025): it goes on, costs what it costs and can be asked
    for. That only a waiting one is let go is stricter than the page.
    """
    now = tasks.now_ms()
    for task in store.holding(DIALECT, now):
        if task.id == task_id and task.stage(now) is Stage.WAITING:
            visit.task_id, visit.external_task_id = task.id, task.external_id
            store.release(task)
            return HttpResponse()
    raise RefusedError(404, {"error": f"Unable to locate running task_id {task_id}"})


# Accounts -------------------------------------------------------------------------------------------------------------


def accounts(_request: HttpRequest, _visit: Visit) -> HttpResponseBase:
    """GET /accounts."""
    return JsonResponse({email: _configuration(owner) for email, owner in ACCOUNTS.items()})


def one_account(_request: HttpRequest, _visit: Visit, email: str) -> HttpResponseBase:
    """GET /accounts/{email}, with what is left on it."""
    if email not in ACCOUNTS:
        raise RefusedError(404, NO_SUCH_ACCOUNT)
    return JsonResponse(_configuration(ACCOUNTS[email]) | {"balance": _balance(ACCOUNTS[email])})


def _configuration(owner: Account) -> dict[str, Any]:
    session = {"userId": str(owner.user_id), "ExpireTime": SESSION_ENDS, "ExpireTimeUTC": iso(SESSION_ENDS)}
    return {"email": owner.email, "session": session, "maxJobs": owner.max_jobs, "password": "…secured…"}


def _balance(owner: Account) -> dict[str, Any]:
    left = max(0, owner.points - store.spent(DIALECT, owner.email))
    pack = {
        "orderId": str(owner.user_id),
        "type": "plan",
        "amount": owner.points,
        "balance": left,
        "startTime": 1_767_225_600_000,
        "endTime": SESSION_ENDS,
    }
    return {"points": [pack], "tickets": [], "total": left, "nextApplyTime": SESSION_ENDS}


def nowhere(_request: HttpRequest, _visit: Visit, **_parts: str) -> HttpResponseBase:
    """Any other address."""
    raise RefusedError(404, {"error": "Not Found"})


ANY: dict[str, Endpoint] = dict.fromkeys(("GET", "POST", "PUT", "DELETE"), nowhere)

urlpatterns = [
    path("images/kolors", resource(POST=kolors)),
    path("images/kolors-elements", resource(POST=kolors_elements)),
    path("images/recognize-faces", resource(POST=useapi_assets.recognize_faces)),
    path("assets", resource(POST=useapi_assets.upload)),
    path("assets/", resource(POST=useapi_assets.upload)),  # the page writes it this way, its examples both ways
    path("tasks", resource(GET=query_list)),
    path("tasks/", resource(GET=query_list)),
    path("tasks/<str:task_id>", resource(GET=query, DELETE=delete)),
    path("scheduler", resource(GET=scheduler)),
    path("scheduler/available", resource(GET=available)),
    path("scheduler/<str:task_id>", resource(DELETE=untrack)),
    path("accounts", resource(GET=accounts)),
    path("accounts/<str:email>", resource(GET=one_account)),
    path("<path:rest>", resource(**ANY)),
]
