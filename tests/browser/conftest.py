"""Chromium, somebody who looks at the pages, and the follower that serves them."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations import follower
from generations.models import Generation, Status
from generations.services import collecting, readying
from klingweb.accounts.models import User
from tests.cast import sign_in

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REFUSALS = ("403 (Forbidden)", "422 (Unprocessable")  # made on purpose, but the browser calls them errors

expect.set_options(timeout=20_000)  # a machine may be busy; what is expected comes as soon as it is there

Open = Callable[..., Page]
Start = Callable[[], None]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if not CHROMIUM:
        pytest.skip("The browser tests need Chromium: apt-get install chromium, or your system's package of it.")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": arguments}


@pytest.fixture
def visit(browser: Browser, live_server: LiveServer) -> Iterator[Open]:
    """Open a page as a person: `visit("/history/", bob, width=390)`. Nothing may be amiss in the browser's console."""
    opened: list[BrowserContext] = []
    amiss: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(each in message.text for each in REFUSALS):
            amiss.append(message.text)

    def visited(path: str, person: User | None = None, *, width: int = 1440, **options: Any) -> Page:
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 900}, reduced_motion="reduce", **options
        )
        opened.append(context)
        if person:
            session = sign_in(Client(), person).cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", note)
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.goto(path)
        return page

    yield visited
    for context in opened:
        context.close()
    assert amiss == []


@pytest.fixture
def start_following(sandbox: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """From the call on, what was asked for is sent, followed and brought home, as the two clusters do."""
    monkeypatch.setattr(follower, "TICK", 0.02)
    over = threading.Event()

    def step() -> bool:
        Generation.objects.filter(status=Status.RUNNING).update(due_at=timezone.now())
        for pk in readying.due_generations(timezone.now()):
            readying.make_ready(pk)
        for pk in collecting.due_images(timezone.now()):
            collecting.collect(pk)
        return over.is_set()

    def follow() -> None:
        while not over.is_set():
            follower.Turn(5).run(until=step)
        connections.close_all()

    thread = threading.Thread(target=follow)
    yield thread.start
    over.set()
    if thread.ident:
        thread.join()
