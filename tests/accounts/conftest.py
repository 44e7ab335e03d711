"""What the tests of people share."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any, Protocol

import pytest
from django.core.management import call_command

LINK = re.compile(r"http://127\.0\.0\.1:8000(/\S+)")

Run = Callable[..., str]


class Answer(Protocol):
    """Whatever a view or the test client hands back."""

    @property
    def content(self) -> bytes: ...


@pytest.fixture
def run(db: None) -> Run:
    """Run a command and hand back what it says."""

    def said(*arguments: str, **options: Any) -> str:
        out = StringIO()
        call_command(*arguments, stdout=out, **options)
        return out.getvalue()

    return said


def link_in(text: str) -> str:
    """The path of the one link in what a command printed or a mail says."""
    found = LINK.findall(text)
    assert len(found) == 1, text
    return str(found[0])


def words(response: Answer) -> str:
    """The text of a page without its tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).replace("&#x27;", "'").split())
