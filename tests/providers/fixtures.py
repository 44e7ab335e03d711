"""Answers as providers give them, kept as files: `fixtures/<provider>/<operation>__<case>.json`."""

import json
from pathlib import Path

import httpx

FOLDER = Path(__file__).parent.parent / "fixtures"


def answer(name: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """The answer of this name, for example `kling/text-to-image__submitted`."""
    kept = json.loads((FOLDER / f"{name}.json").read_text())
    body = kept["body"] if isinstance(kept["body"], str) else json.dumps(kept["body"])
    return httpx.Response(kept["status"], headers=kept["headers"] | (headers or {}), text=body)
