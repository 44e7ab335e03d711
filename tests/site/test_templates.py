"""Every template is complete in itself: it can be read, with all tags that it uses."""

from pathlib import Path

import pytest
from django.template.loader import get_template

FOLDER = Path(__file__).resolve().parents[2] / "templates"


@pytest.mark.parametrize("name", sorted(str(each.relative_to(FOLDER)) for each in FOLDER.rglob("*.html")))
def test_a_template_can_be_read(name: str) -> None:
    assert get_template(name)
