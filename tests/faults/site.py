"""A served house whose provider is the stand-in: people ask over HTTP, and both sides' books are compared."""

import html
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from uuid import UUID

import httpx

from tests.faults.dialects import SECRETS
from tests.faults.house import ENDED, House
from tests.faults.stand_in import Script, StandIn
from tests.faults.table import Row
from tests.site.processes import wait_until
from tests.site.served import Form, sign_in, token

OPERATION = {"useapi": "kolors"}
COUNT = {"useapi": "imageCount"}
LONG = 90.0  # seconds; on two busy cores, with everything at once
THUMBNAILS = (320, 1280)
HERE = ("arrived", "kept")  # states of a picture that people see


class Site:
    """See above."""

    def __init__(self, house: House, stand_in: StandIn) -> None:
        self.house, self.stand_in = house, stand_in
        self.member, self.admin = house.client, sign_in(house.installation, "admin")
        self.csrf = token(self.admin.get("/credentials/add/"))
        self.team = re.findall(r'name="team" value="(\d+)"', self.admin.get("/credentials/add/").text)[0]
        self.forms: dict[str, dict[str, str]] = {}

    # Before -----------------------------------------------------------------------------------------------------------

    def add_credential(self, name: str, provider: str, address: str) -> str:
        """As an admin does. Returns its id."""
        secrets = SECRETS[provider]
        form = {"csrfmiddlewaretoken": self.csrf, "team": self.team, "provider": provider, "name": name}
        form |= {"way": next(iter(secrets)), "base_url": "other", "address": address, "slots": "9"}
        answer = self.admin.post("/credentials/add/", data={**form, **secrets}, follow_redirects=False)
        assert answer.status_code == 302, answer.text
        return str(self.house.database.rows("SELECT max(id) FROM generations_credential")[0][0])

    def customer(
        self, slug: str, script: Script | None = None, provider: str = "kling", *, refused: bool = False
    ) -> str:
        """A credential whose provider plays this script. Returns its id."""
        address = self.stand_in.play(slug, provider, script or Script(), refused=refused)
        return self.add_credential(slug, provider, address)

    def form(self, provider: str, credential: str) -> dict[str, str]:
        """A new form, as a browser would send it."""
        chosen = {"provider": provider, "operation": OPERATION.get(provider, "text-to-image"), "credential": credential}
        return Form(self.member.get("/", params=chosen)).values | chosen

    def ask(self, prompt: str, credential: str, provider: str = "kling", pictures: int = 1) -> str:
        """Ask for pictures; forms are opened once for each provider. Returns the generation's id."""
        if provider not in self.forms:
            self.forms[provider] = self.form(provider, credential)
        form = self.forms[provider] | {"credential": credential}
        return self.send(form | {"prompt": prompt, COUNT.get(provider, "n"): str(pictures)})

    def send(self, form: Mapping[str, str], at: str = "") -> str:
        """Press Generate. Returns the id of the generation whose page comes."""
        answer = self.member.post(f"{at}/", data=dict(form))
        assert answer.url.path.startswith("/g/"), answer.text
        return answer.url.path.split("/")[2]

    # Meanwhile --------------------------------------------------------------------------------------------------------

    def press(self, generation: str, button: str, **form: str) -> str:
        """Press a button on a generation's page, which may be an old one. Returns what the next page says."""
        return said(self.post(f"/g/{generation}/{button}/", form))

    def post(self, path: str, form: Mapping[str, str], picture: bytes = b"") -> httpx.Response:
        """As a browser does."""
        signed = {"csrfmiddlewaretoken": self.member.cookies["csrftoken"], **form}
        return self.member.post(path, data=signed, files={"pictures": ("saved.png", picture)} if picture else None)

    def resume(self, credential: str) -> None:
        """As an admin does."""
        self.admin.post(
            f"/credentials/{credential}/resume/", data={"csrfmiddlewaretoken": self.csrf}, follow_redirects=False
        )

    def statuses(self, generations: Iterable[str]) -> list[str]:
        return [self.house.status(each) for each in generations]

    def wait_for(self, generation: str, status: str, seconds: float = LONG) -> None:
        def there() -> bool:
            now = self.house.status(generation)
            assert now == status or now not in ENDED, f"{now} instead of {status}: {self.story(generation)}"
            return now == status

        wait_until(there, f"{generation} is {status}", seconds)

    def sees(self, generation: str) -> str:
        """All that its page says, but for the list of what happened."""
        return said(self.member.get(f"/g/{generation}/"))

    def story(self, generation: str) -> str:
        """What happened to it."""
        rows = self.house.database.rows(
            "SELECT after, reason FROM generations_event WHERE generation_id = ? ORDER BY at, id", generation
        )
        return " / ".join(f"{after}: {reason}" for after, reason in rows)

    # Afterwards -------------------------------------------------------------------------------------------------------

    def money(self, generation: str) -> str:
        return str(
            self.house.database.rows("SELECT state FROM generations_charge WHERE generation_id = ?", generation)[0][0]
        )

    def pictures(self, generation: str) -> int:
        """How many are here. Each is whole or not there at all, in the table, on disk and on the page."""
        rows = self.house.database.rows(
            "SELECT id, state, file FROM generations_image WHERE generation_id = ?", generation
        )
        for pk, state, file in rows:
            name = str(UUID(str(pk)))
            stored = {each.name for each in self._media.rglob(f"{name}*")}
            original, small = {f"{name}.png"}, {f"{name}-{width}.webp" for width in THUMBNAILS}
            whole = {"kept": stored == original | small, "arrived": original <= stored}.get(state, not stored)
            assert (whole, bool(file)) == (True, state in HERE), (state, stored)
        here = sum(state in HERE for _, state, _ in rows)
        assert self.house.look_at_pictures(generation) == here
        return here

    @property
    def _media(self) -> Path:
        return self.house.installation.folder / "media"

    def half_written(self) -> list[str]:
        return [each.name for each in (self.house.installation.folder / "incoming").glob("*.part")]

    def holds(self, row: Row, slug: str, *generations: str) -> None:
        """The customer's generations ended as the row says, with pictures and money, and each was paid so often."""
        for each in generations:
            self.wait_for(each, row.ends)
            assert bool(self.pictures(each)) == (row.ends == "succeeded")
            assert self.money(each) == ("settled" if row.ends == "succeeded" else "released")
        assert self.accepted(slug) == row.accepted * len(generations)

    def accepted(self, slug: str) -> int:
        """How many paid requests the provider took from this customer."""
        return len(self.stand_in.cases[slug].tasks)


def said(page: httpx.Response) -> str:
    """The words of a generation's page, without the list of what happened to it."""
    text = re.sub(
        r'<section aria-labelledby="h-time">.*?</section>', " ", page.text[page.text.find("<body") :], flags=re.DOTALL
    )
    text = re.sub(r"<(script|style|template)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split()).replace(" .", ".").replace(" ,", ",")


def until(condition: Callable[[], object], deadline: float) -> bool:
    """Whether it comes true before this moment of the monotonic clock; looked at once at least."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
