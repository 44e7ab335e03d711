"""useapi.net: Kling's website through a person's own accounts there, which useapi.net knows by their e-mail addresses.

Pages: "POST images/kolors" of 9 February 2026 and of 1 October 2025, "POST images/kolors-elements" of 1 October 2025,
"POST assets", "POST images/recognize-faces", "GET tasks", "GET accounts", "GET scheduler/available" and "DELETE
scheduler/task_id"; all checked on 20 November 2026. The fields stand in `useapi_fields`; how answers are read, with the
maps of statuses and errors, in `useapi_answers`.
"""

from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote
from uuid import UUID

import httpx

from generations.providers import errors
from generations.providers.exchange import (
    Account,
    Capacity,
    Checkup,
    Listed,
    Order,
    Progress,
    Submission,
    Task,
    Upload,
    Uploaded,
)
from generations.providers.exchange import Face as FoundFace
from generations.providers.kling_family import body_of
from generations.providers.rules import AtLeast, Cited, NoGaps
from generations.providers.spec import (
    Accounts,
    Capability,
    CredentialWay,
    Deadlines,
    Faces,
    Listing,
    Lookup,
    Operation,
    Provider,
    SecretField,
    Uploads,
)
from generations.providers.useapi_answers import (
    ANSWERS,
    accounts_of,
    capacities,
    faces_of,
    listed,
    points_of,
    progress_of,
    read_answer,
    read_request,
    running,
    task_id_of,
    turned_down,
    words_of,
)
from generations.providers.useapi_fields import (
    CITATION,
    ELEMENTS_FIELDS,
    ELEMENTS_PAGE,
    IMAGES,
    KOLORS_FIELDS,
    OLD_PAGE,
    PAGE,
    PARTS,
    RESTYLE,
)

# CREDENTIAL
API_TOKEN = SecretField(
    name="api_token",
    label="API token",
    help="All of it, with the word user: in front. It opens every useapi.net service.",
)
EMAIL = SecretField(
    name="email",
    label="Kling account",
    help="Its e-mail address, if only this one is to be used.",
    optional=True,
    plain=True,
)
CREDENTIAL_WAYS = (CredentialWay("API token", (API_TOKEN, EMAIL)),)

# OPERATIONS: their fields stand in useapi_fields

# CAPABILITIES: Kling has retired its old models from its website; useapi.net still accepts them for what they did. Of
# kling-v1-6, which it accepts as well, no page says what that was.
NO_RESOLUTION = frozenset({"resolution"})
CAPABILITIES = (
    Capability(model_name="kling-v3-0", source=PAGE),
    Capability(model_name="kling-v2-1", source=PAGE),
    Capability(model_name="kling-v2-0", lacks=NO_RESOLUTION, retired=PAGE, source=OLD_PAGE),
    Capability(model_name="kling-v1-5", lacks=NO_RESOLUTION, retired=PAGE, source=OLD_PAGE),
)

# PRICES: none are documented. Pictures are paid with the credits of the Kling accounts.

# SLOT_UNIT AND DEADLINES
SLOT_UNIT: Literal["requests"] = "requests"
KEPT = timedelta(days=7)
DEADLINES = Deadlines(create=180, query=20, download=120, upload=120, retention=KEPT)
NEWEST = 100  # tasks in one list answer; nobody documents a most

KOLORS = Operation(
    slug="kolors",
    label="KOLORS",
    path="/images/kolors",
    source=PAGE,
    fields=KOLORS_FIELDS,
    capabilities=CAPABILITIES,
    rules=(
        NoGaps(tuple(each.name for each in IMAGES)),
        Cited("prompt", CITATION, tuple(each.name for each in IMAGES)),
    ),
    follows=RESTYLE,
)
KOLORS_ELEMENTS = Operation(
    slug="kolors-elements",
    label="KOLORS Elements",
    path="/images/kolors-elements",
    source=ELEMENTS_PAGE,
    fields=ELEMENTS_FIELDS,
    capabilities=(),
    rules=(AtLeast(2, tuple(each.name for each in PARTS)),),
)


def build_create(operation: Operation, order: Order, account: Account, _now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not.

    `replyRef` is echoed, in calls to `replyUrl` too, and by it a lost request may be found. `maxJobs` is left out, so
    that what the account itself is set to holds: klingweb asks for the free slots before it sends.
    """
    body = body_of(operation, order) | _whom(account) | {"replyRef": str(UUID(order.external_id))}
    return httpx.Request("POST", account.base_url + operation.path, json=body, headers=_headers(account))


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, or why there is none; a request that was turned down may be answered like an accepted one."""
    view = read_request(response)
    if refusal := turned_down(view):
        raise refusal
    if task_id := task_id_of(view):
        return Submission(task_id)
    raise errors.Unreadable(details=words_of(view))


def build_query(_operation: Operation, task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET one task, by useapi.net's id and as the account that it was made with."""
    return _get(account, f"/tasks/{quote(task.task_id, safe='')}", _whom(account))


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is."""
    view = read_answer(response)
    if not task_id_of(view) and "status_name" not in view:
        raise errors.Unreadable(details=words_of(view))
    return progress_of(view)


def build_list(_operation: Operation, account: Account, _page: int, now: datetime) -> httpx.Request:
    """GET the account's tasks of the last day, of all operations."""
    return build_since(account, now - timedelta(days=1))


def build_since(account: Account, since: datetime) -> httpx.Request:
    """GET the account's tasks since then, of all operations."""
    moment = int(since.timestamp() * 1000)
    wanted = {"contentType": "image", "pageSize": str(NEWEST), "createdAfter": str(moment)}
    return _get(account, "/tasks", _whom(account) | wanted)


def parse_list(response: httpx.Response) -> tuple[Listed, ...]:
    """Where each of them is."""
    return listed(_part(response, "history"))


def parse_running(response: httpx.Response) -> tuple[Listed, ...]:
    """The tasks that have not ended."""
    return running(_part(response, "executing"))


def build_upload(upload: Upload, account: Account, _now: datetime) -> httpx.Request:
    """POST the bytes as they are. The account that uploads a picture is the only one that may use it."""
    headers = _headers(account) | {"Content-Type": upload.media_type}
    url = f"{account.base_url}/assets"
    return httpx.Request("POST", url, params=_whom(account), content=upload.content, headers=headers)


def parse_upload(response: httpx.Response) -> Uploaded:
    """Its address at Kling, or that Kling cannot use it."""
    view = read_answer(response)
    good_image = view.get("status") == 3
    if good_image and isinstance(address := view.get("url"), str) and address:
        return Uploaded(address)
    if good_image or "status" not in view:
        raise errors.Unreadable(details=words_of(view))
    raise errors.Refused("Kling cannot use this picture. Choose another one.", details=words_of(view))


def build_accounts(account: Account, _moment: datetime) -> httpx.Request:
    """GET how much room each account has, and what is running for all of them, which names our own reference."""
    return _get(account, "/scheduler/available", {})


def parse_accounts(response: httpx.Response) -> tuple[Capacity, ...]:
    """Each account with its room."""
    return capacities(_part(response, "available"))


def build_faces(address: str, account: Account, _now: datetime) -> httpx.Request:
    """POST the address of an uploaded picture; the same account has to ask that uploaded it."""
    body = _whom(account) | {"imageReference": address}
    return httpx.Request("POST", f"{account.base_url}/images/recognize-faces", json=body, headers=_headers(account))


def parse_faces(response: httpx.Response) -> tuple[FoundFace, ...]:
    """The faces in it."""
    view = read_request(response)
    if "faceItems" not in view:
        raise errors.Unreadable(details=words_of(view))
    return faces_of(view["faceItems"])


def build_checkup(account: Account, _now: datetime) -> httpx.Request:
    """GET all accounts, or the only one that the credential is for, whose balance comes along."""
    email = _whom(account).get("email")
    return _get(account, f"/accounts/{quote(email, safe='@')}" if email else "/accounts", {})


def parse_checkup(response: httpx.Response) -> Checkup:
    """Who is there, and what is left where only one was asked for."""
    try:
        view = read_answer(response)
    except errors.NotFound as error:
        sentence = "useapi.net does not know this Kling account, or has none yet. An admin has to add it there."
        raise errors.AccountTrouble(sentence, code=error.code, details=error.details) from error
    if not (found := accounts_of(view)):
        raise errors.Unreadable(details=words_of(view))
    if (points := points_of(view)) is not None:
        return Checkup(f"{points:,.0f} points left", found)
    return Checkup("one Kling account" if len(found) == 1 else f"{len(found)} Kling accounts", found)


def build_cancel(task: Task, account: Account, _now: datetime) -> httpx.Request:
    """DELETE the task from the scheduler. Its page says that Kling carries on with what it has begun, untracked."""
    url = f"{account.base_url}/scheduler/{quote(task.task_id, safe='')}"
    return httpx.Request("DELETE", url, headers=_headers(account))


def _whom(account: Account) -> dict[str, str]:
    """The chosen account, or the only one that the credential is for; nothing where useapi.net has but one."""
    email = account.name or account.secrets.get("email", "")
    return {"email": email} if email else {}


def _get(account: Account, path: str, params: dict[str, str]) -> httpx.Request:
    return httpx.Request("GET", account.base_url + path, params=params, headers=_headers(account))


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.secrets['api_token']}"}


def _part(response: httpx.Response, name: str) -> object:
    view = read_answer(response)
    if name not in view:
        raise errors.Unreadable(details=words_of(view))
    return view[name]


PROVIDER = Provider(
    slug="useapi",
    label="useapi.net",
    base_urls=("https://api.useapi.net/v1/kling",),
    credential_ways=CREDENTIAL_WAYS,
    operations=(KOLORS, KOLORS_ELEMENTS),
    slot_unit=SLOT_UNIT,
    default_slots=20,  # each account has a limit of its own besides
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
    listing=Listing(build=build_list, parse=parse_list, per_page=NEWEST),
    lookups=(Lookup(build=build_accounts, parse=parse_running), Lookup(build=build_since, parse=parse_list)),
    uploads=Uploads(build=build_upload, parse=parse_upload, keeps=KEPT),
    accounts=Accounts(build=build_accounts, parse=parse_accounts),
    faces=Faces(build=build_faces, parse=parse_faces),
    build_cancel=build_cancel,
    answers=ANSWERS,
)
