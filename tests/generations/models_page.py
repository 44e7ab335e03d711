"""The page about a provider's models as a browser sends it: every control as it stands, but for what is changed."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from django.test import Client


class Entries(HTMLParser):
    """The controls of a page with their values, as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        unchecked = given.get("type") in ("checkbox", "radio") and "checked" not in given
        if tag == "input" and (name := given.get("name")) and not unchecked:
            self.values[name] = given.get("value") or ("" if given.get("type") != "checkbox" else "on")


def entries(client: Client, provider: str = "kling") -> dict[str, str]:
    """What the page holds for an admin who has just opened it."""
    return Entries(client.get(f"/credentials/models/{provider}/").content.decode()).values


def save(client: Client, changes: Mapping[str, str | int | None] | None = None, provider: str = "kling") -> Any:
    """Open the page, change this (None unticks), and save."""
    sent = {**entries(client, provider), **(changes or {})}
    return client.post(
        f"/credentials/models/{provider}/", {name: each for name, each in sent.items() if each is not None}
    )
