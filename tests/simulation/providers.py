"""The remote services: what they accepted and made, told in the wire format of each of the four."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx

from tests.simulation.chaos import CALM
from tests.simulation.clock import START
from tests.simulation.network import HTML, LEFT, Answer

if TYPE_CHECKING:
    from tests.simulation.world import World

PICTURES = "https://files.pictures.example"
ACCOUNT_SLOTS = 4  # of each of useapi's accounts
UNITS = 7  # that Kling charges for a picture, as its answer tells; not what it declares
STORAGE_LAG = 20.0  # seconds in which a finished picture may not be at its address yet
WORKS = ""  # no refusal
LOOKUP_LAG = 300.0  # seconds in which a look-up by our name, or a list, may not know a task yet
MODERATED = "Failure to pass the risk control system"


@dataclass
class Made:
    """A task that a provider accepted, and that is paid for."""

    task_id: str
    slug: str
    account: str
    email: str
    external: str
    prompt: str
    pictures: int
    left: float  # when its request left us
    at: float
    ends: float
    outcome: str  # succeeded, failed, moderated
    visible: float
    stored: float
    goes: float

    @property
    def life(self) -> int:
        return int(self.prompt.split()[1])

    def state(self, now: float) -> str:
        return self.outcome if now >= self.ends else "running"


@dataclass
class Policy:
    """What nobody has documented, and is different in each world."""

    refuses_duplicates: bool
    limits_slots: bool
    lag: float
    echoes: bool  # whether useapi's list names us
    lists: tuple[str, ...]  # what becomes of those who ask for a list
    lasts: tuple[float, float]  # seconds that most tasks take
    stuck: float  # share of tasks that never end


@dataclass
class Providers:
    """All four of them."""

    world: "World"
    policy: Policy
    made: dict[str, Made] = field(default_factory=dict)
    by_life: dict[int, list[Made]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)  # what was refused for good, by life
    accounts: dict[str, str] = field(default_factory=dict)  # the account of each key
    emails: dict[str, list[str]] = field(default_factory=dict)  # of useapi's accounts

    @property
    def rng(self) -> random.Random:
        return self.world.rng

    @property
    def now(self) -> float:
        return self.world.clock.elapsed

    def answer(self, request: httpx.Request, *, paid: bool) -> Answer:
        """What comes back. The host tells which provider is asked."""
        host = request.url.host
        dialect = next(each for name, each in DIALECTS.items() if name in host)(self, request)
        dialect.account = self.account_of(request)
        return dialect.create() if paid else dialect.ask()

    def account_of(self, request: httpx.Request) -> str:
        return self.accounts[request.headers["Authorization"].removeprefix("Bearer ")]

    # Tasks ------------------------------------------------------------------------------------------------------------

    def accept(self, dialect: "Dialect", body: dict[str, Any], external: str, pictures: int) -> Made:
        """It is paid from here on."""
        rng, weather, slug = self.rng, self.world.chaos.weather, dialect.slug
        lasts = rng.uniform(60, 400) if rng.random() < weather.slow_tasks else rng.uniform(*self.policy.lasts)
        if rng.random() < self.policy.stuck:
            lasts = 10**9
        failed = rng.random() < weather.failing_tasks
        number = len(self.made) + 1
        ends = self.now + lasts
        made = Made(
            task_id=str(70_000 + number) if slug == "useapi" else f"{slug}-{number}",
            slug=slug,
            account=dialect.account,
            email=dialect.email(body),
            external=external,
            prompt=body["prompt"],
            pictures=pictures,
            left=dialect.request.extensions[LEFT],
            at=self.now,
            ends=ends,
            outcome=rng.choice(("failed", "moderated")) if failed else "succeeded",
            visible=self.now + rng.uniform(0, self.policy.lag),
            stored=ends + (rng.uniform(0, STORAGE_LAG) if rng.random() < weather.broken_pictures else 0),
            goes=ends + self.world.retention[slug].total_seconds(),
        )
        self.world.witness.accepted(made)
        self.made[made.task_id] = made
        self.by_life.setdefault(made.life, []).append(made)
        self.world.say(slug, f"accepts {made.task_id}, which will be {made.outcome} after {lasts:.0f} s", made.life)
        return made

    def find(self, account: str, task_id: str) -> Made | None:
        made = self.made.get(task_id)
        return made if made and made.account == account else None

    def visible(self, account: str) -> list[Made]:
        """What lists and look-ups by our name know, in no order."""
        found = [each for each in self.made.values() if each.account == account and each.visible <= self.now]
        self.rng.shuffle(found)
        return found

    def busy(self, account: str, email: str = "") -> int:
        return sum(
            each.pictures if each.slug == "kling" else 1
            for each in self.made.values()
            if each.account == account and (not email or each.email == email) and each.ends > self.now
        )

    def picture(self, request: httpx.Request) -> bytes | None:
        """The bytes of a picture, or None where there is none yet, or no more."""
        task_id, _, index = request.url.path.strip("/").partition("/")
        made = self.made[task_id]
        if not made.stored <= self.now < made.goes:
            return None
        return f"picture {task_id} {index}".encode()


class Dialect:
    """One provider's wire format. The real `build_*` wrote the request, the real `parse_*` read the answer."""

    slug = ""
    refusals: dict[str, tuple[int, Any]] = {}

    def __init__(self, providers: Providers, request: httpx.Request) -> None:
        self.providers, self.request = providers, request
        self.account = ""
        self.path = unquote(request.url.path)

    # What is the same for all -----------------------------------------------------------------------------------------

    def create(self) -> Answer:
        body = json.loads(self.request.content)
        providers = self.providers
        life = int(body["prompt"].split()[1])
        if kind := self._whim():
            if kind in ("bad", "moderated"):
                if life in providers.by_life:  # what was accepted once is not refused for its contents
                    kind = "busy"
                else:
                    providers.refused[life] = kind
            providers.world.say(self.slug, f"refuses: {kind}", life)
            return self.refusal(kind)
        external = str(body.get("external_task_id") or body.get("replyRef") or "")
        email = self.email(body)
        if self.slug == "kling" and providers.policy.refuses_duplicates and self._known(external):
            providers.world.say(self.slug, "refuses a second request of the same name", life)
            return self.refusal("duplicate")
        pictures = int(body.get("n") or body.get("imageCount") or 1)
        if providers.policy.limits_slots and self._is_full(pictures, email):
            providers.world.say(self.slug, "is full", life)
            return self.refusal("busy")
        made = providers.accept(self, body, external, pictures)
        if providers.rng.random() < providers.world.chaos.weather.broken_answers:
            return self.refusal(providers.rng.choice(("broken", "late")))  # accepted all the same
        return self.json(200, self.accepted(made))

    def ask(self) -> Answer:
        if kind := self._whim():
            return self.refusal(kind if kind in ("broken", "late", "busy", "key") else "broken")
        return self.look()

    def refusal(self, kind: str) -> Answer:
        status, body = self.refusals[kind]
        if isinstance(body, bytes):
            return Answer(status, body)
        answer = self.json(status, body)
        wait = self.providers.rng.choice(("", "0", "5", "40")) if kind == "busy" else ""
        return replace(answer, headers=(*answer.headers, ("retry-after", wait))) if wait else answer

    def _whim(self) -> str:
        """Why it does not do what it is asked; mostly empty."""
        rng = self.providers.rng
        if rng.random() >= self.providers.world.chaos.weather.refusals:
            return ""
        return rng.choices(("busy", "broken", "late", "bad", "moderated", "credit", "key"), (30, 20, 10, 10, 10, 2, 2))[
            0
        ]

    def _known(self, external: str) -> bool:
        made = self.providers.made.values()
        return any(each.external == external and each.account == self.account for each in made)

    def _is_full(self, pictures: int, email: str) -> bool:
        busy, slots = self.providers.busy(self.account, email), self.providers.world.slots_of(self.account, email)
        return busy > 0 and busy + (pictures if self.slug == "kling" else 1) > slots

    def lists(self) -> str:
        """Why there is no list, if there is none."""
        return self.providers.rng.choice(self.providers.policy.lists)

    def email(self, body: dict[str, Any]) -> str:
        return ""

    @staticmethod
    def json(status: int, body: Any) -> Answer:
        return Answer(status, json.dumps(body).encode(), (("content-type", "application/json"),))

    # What is its own --------------------------------------------------------------------------------------------------

    def accepted(self, made: Made) -> Any:
        raise NotImplementedError

    def look(self) -> Answer:
        raise NotImplementedError


def addresses(made: Made) -> list[str]:
    return [f"{PICTURES}/{made.task_id}/{index}" for index in range(made.pictures)]


def _kling(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "r"}


class Kling(Dialect):
    slug = "kling"
    words = {"running": "processing", "succeeded": "succeed", "failed": "failed", "moderated": "failed"}
    refusals = {
        "key": (401, _kling(1002, "access key not found")),
        "credit": (429, _kling(1102, "Account balance not enough")),
        "busy": (429, _kling(1303, "parallel task over resource pack limit")),
        "bad": (400, _kling(1201, "Invalid parameters")),
        "duplicate": (400, _kling(1201, "external_task_id is duplicated")),
        "moderated": (400, _kling(1301, MODERATED)),
        "broken": (500, _kling(5000, "Internal error")),
        "late": (504, HTML),
        "unknown": (404, _kling(1203, "Task not found")),
        "gone": (410, HTML),
    }

    def accepted(self, made: Made) -> Any:
        info = {"external_task_id": made.external}
        return self._frame({"task_id": made.task_id, "task_status": "submitted", "task_info": info})

    def look(self) -> Answer:
        if self.path.startswith("/account/"):
            return self.json(200, self._frame({"code": 0, "resource_pack_subscribe_infos": []}))
        if "pageSize" in self.request.url.params:
            return self._page()
        name = self.path.rpartition("/")[2]
        made = self.providers.find(self.account, name)
        made = made or next((each for each in self.providers.visible(self.account) if each.external == name), None)
        return self.json(200, self._frame(self._view(made))) if made else self.refusal("unknown")

    def _page(self) -> Answer:
        self.providers.world.chaos.count("lists of many")
        if kind := self.lists():
            return self.refusal(kind)
        return self.json(200, self._frame([self._view(each) for each in self.providers.visible(self.account)]))

    def _view(self, made: Made) -> dict[str, Any]:
        state = made.state(self.providers.now)
        view: dict[str, Any] = {"task_id": made.task_id, "task_status": self.words[state]}
        view["task_info"] = {"external_task_id": made.external}
        if state == "succeeded":
            view["task_result"] = {"images": [{"index": n, "url": url} for n, url in enumerate(addresses(made))]}
            view["final_unit_deduction"] = str(UNITS * made.pictures)
        elif state != "running":
            view["task_status_msg"] = MODERATED if state == "moderated" else "internal failure"
        return view

    @staticmethod
    def _frame(data: Any) -> dict[str, Any]:
        return {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data}


class Kkiai(Kling):
    """Shape a: Kling's own, under the relay's keys. It knows no names of ours."""

    slug = "kkiai"
    refusals = Kling.refusals | {
        "key": (401, {"error": {"message": "Invalid token", "type": "new_api_error", "code": ""}}),
        "credit": (403, {"error": {"message": "quota", "type": "new_api_error", "code": "insufficient_user_quota"}}),
        "busy": (429, {"error": {"message": "Too many requests", "type": "new_api_error", "code": "429"}}),
        "unknown": (404, {"error": {"message": "task not exist", "code": "task_not_exist"}}),
        "late": (524, HTML),
    }

    def look(self) -> Answer:
        if self.path.startswith("/api/usage"):
            return self.json(200, {"code": True, "data": {"total_available": 1000, "unlimited_quota": False}})
        made = self.providers.find(self.account, self.path.rpartition("/")[2])
        return self.json(200, self._frame(self._view(made))) if made else self.refusal("unknown")


class Useapi(Dialect):
    slug = "useapi"
    words = Kling.words
    refusals = {
        "key": (401, {"error": "Unauthorized", "code": 401}),
        "credit": (412, {"error": "Insufficient credits"}),
        "busy": (429, {"error": "Too many jobs"}),
        "bad": (400, {"error": "Parameter aspect_ratio is invalid"}),
        "moderated": (500, {"error": "CM_EXT.POther: community guidelines", "message": "Service busy"}),
        "broken": (500, {"error": "Internal Server Error", "message": "Service busy"}),
        "late": (504, HTML),
        "unknown": (404, {"error": "Not found"}),
        "gone": (410, {"error": "Gone"}),
    }

    def accepted(self, made: Made) -> Any:
        return self._view(made)

    def look(self) -> Answer:
        is_list, is_room = self.path.endswith("/tasks"), self.path.endswith("/scheduler/available")
        storm = is_room and self.providers.world.chaos.weather is not CALM
        missing = storm and self.providers.rng.random() < 0.2  # not always: without room nothing is sent
        if (is_list or missing) and (kind := self.lists()):
            return self.refusal(kind)
        if is_room:
            return self.json(200, {"executing": self._executing(), "available": list(self._available())})
        if is_list:
            return self.json(200, {"history": [self._view(each) for each in self._listed()]})
        if "/accounts" in self.path:
            return self.json(200, {each: {"email": each, "maxJobs": ACCOUNT_SLOTS} for each in self._emails()})
        made = self.providers.find(self.account, self.path.rpartition("/")[2])
        return self.json(200, self._view(made)) if made else self.refusal("unknown")

    def _emails(self) -> list[str]:
        return self.providers.emails[self.account]

    def _available(self) -> Iterable[dict[str, Any]]:
        for email in self._emails():
            slots, busy = self.providers.world.slots_of(self.account, email), self.providers.busy(self.account, email)
            yield {"email": email, "maxJobs": slots, "executing": busy, "available": max(0, slots - busy)}

    def _executing(self) -> list[dict[str, Any]]:
        now = self.providers.now
        return [
            {"id": int(each.task_id), "email": each.email, "replyRef": each.external}
            for each in self.providers.visible(self.account)
            if each.ends > now
        ]

    def _listed(self) -> list[Made]:
        since = float(self.request.url.params.get("createdAfter", 0)) / 1000 - START.timestamp()
        email = self.request.url.params.get("email")
        return [e for e in self.providers.visible(self.account) if e.at > since and (not email or e.email == email)]

    def _view(self, made: Made) -> dict[str, Any]:
        state = made.state(self.providers.now)
        created = int((START + timedelta(seconds=made.at)).timestamp() * 1000)
        arguments = [{"name": "prompt", "value": made.prompt}]
        view: dict[str, Any] = {
            "status_name": self.words[state],
            "status_final": state != "running",
            "message": MODERATED if state == "moderated" else "",
            "task": {"id": int(made.task_id), "createTime": created, "taskInfo": {"arguments": arguments}},
            "works": [],
        }
        if self.providers.policy.echoes:
            view["replyRef"] = made.external
        if state == "succeeded":
            view["works"] = [
                {"status_name": "succeed", "status_final": True, "contentType": "image", "resource": {"resource": url}}
                for url in addresses(made)
            ]
        return view

    def email(self, body: dict[str, Any]) -> str:
        return str(body.get("email") or self._emails()[0])


class Apimodels(Dialect):
    slug = "apimodels"
    words = {"running": "processing", "succeeded": "completed", "failed": "failed", "moderated": "failed"}
    refusals = {
        "key": (401, {"code": 401, "msg": "Invalid API key"}),
        "credit": (402, {"code": 402, "msg": "Insufficient credits"}),
        "busy": (429, {"code": 429, "msg": "Too many requests"}),
        "bad": (400, {"code": 400, "msg": "Invalid input"}),
        "moderated": (422, {"code": 422, "msg": "Content policy violation"}),
        "broken": (500, {"code": 500, "msg": "Internal error"}),
        "late": (504, HTML),
        "unknown": (404, {"code": 404, "msg": "Task not found"}),
    }

    def accepted(self, made: Made) -> Any:
        return {"code": 200, "msg": "success", "data": {"taskId": made.task_id}}

    def look(self) -> Answer:
        if self.path.endswith("/balance"):
            return self.json(200, {"code": 200, "data": {"balance": "100.00"}})
        name = self.request.url.params.get("task_id") or self.path.rpartition("/")[2]
        made = self.providers.find(self.account, name)
        if not made:
            return self.refusal("unknown")
        record = "/records/" in self.path
        return self.json(200, {"code": 200, "data": self._record(made) if record else self._view(made)})

    def _record(self, made: Made) -> dict[str, Any]:
        return {"taskId": made.task_id, "settled": True, "credits": str(made.pictures * 0.151), "state": "completed"}

    def _view(self, made: Made) -> dict[str, Any]:
        state = made.state(self.providers.now)
        view: dict[str, Any] = {"taskId": made.task_id, "state": self.words[state]}
        if state == "succeeded":
            view["resultUrls"] = addresses(made)
        elif state != "running":
            code = "CONTENT_MODERATION" if state == "moderated" else "INTERNAL"
            view |= {"failCode": code, "failMsg": "It failed"}
        return view


DIALECTS: dict[str, type[Dialect]] = {
    "klingai.com": Kling,
    "useapi.net": Useapi,
    "kkiai.com": Kkiai,
    "apimodels.app": Apimodels,
}
