"""A served installation as seen from outside: its clusters, and its pages as a browser meets them."""

import os
import re
import sqlite3
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import httpx

from tests.site.conftest import Installation
from tests.site.processes import Started


def cluster_leaders(started: Started) -> dict[str, int]:
    """The ids of the session leaders that run a queue cluster, by its name."""
    found = {}
    for pid in started.left:
        with suppress(OSError):  # it has ended meanwhile
            if os.getsid(pid) == pid and b"qcluster" in Path(f"/proc/{pid}/cmdline").read_bytes():
                environ = Path(f"/proc/{pid}/environ").read_bytes()
                found["fast" if b"Q_CLUSTER_NAME=fast" in environ else "default"] = pid
    return found


def heartbeats(installation: Installation) -> dict[str, str]:
    with sqlite3.connect(installation.folder / "klingweb.sqlite3") as database:
        found = dict(database.execute("select cluster, at from generations_heartbeat"))
    database.close()
    return found


def serve(installation: Installation, *arguments: str, **environ: str) -> Started:
    started = installation.start("serve", *arguments, environ=environ)
    started.wait_for_text("klingweb is ready at")
    return started


def sign_in(installation: Installation, role: str = "member") -> httpx.Client:
    """A browser of one of the demo's people."""
    client = httpx.Client(base_url=installation.address, follow_redirects=True, timeout=30, trust_env=False)
    email, password = re.findall(rf"({role}@\S+) +(\S+)", (installation.folder / "demo.txt").read_text())[0]
    form = {"login": email, "password": password, "csrfmiddlewaretoken": token(client.get("/accounts/login/"))}
    assert client.post("/accounts/login/", data=form).url.path == "/"
    return client


def token(page: httpx.Response) -> str:
    return str(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[0])


class Form(HTMLParser):
    """What a browser would send of `<form id="create">` as it stands."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self.inside, self.select = False, ""
        self.values: dict[str, str] = {}
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self.inside = given.get("id") == "create"
        elif self.inside and tag == "select":
            self.select = name
        elif self.inside and tag == "option" and (self.select not in self.values or "selected" in given):
            self.values[self.select] = value
        elif self.inside and tag == "textarea":
            self.values[name] = ""
        elif (
            self.inside and tag == "input" and (given.get("type") in ("hidden", "text", "number") or "checked" in given)
        ):
            self.values[name] = value
