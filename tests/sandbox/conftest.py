"""A sandbox of its own for each test, and a client that speaks Kling's addresses."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client
from PIL import Image
from pytest_django import Settings

GENERATIONS = "/sandbox/kling/v1/images/generations"
KEY = {"Authorization": "Bearer sandbox-key"}
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def room(settings: Settings, tmp_path: Path) -> None:
    settings.ROOT_URLCONF = "tests.sandbox.urls"
    settings.SANDBOX_FILE = tmp_path / "data" / "sandbox.sqlite3"
    settings.SANDBOX_PACE = 1.0
    settings.SANDBOX_SLOTS = 9


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@dataclass
class Kling:
    """Django's test client at Kling's addresses; answers as (HTTP status, JSON body)."""

    client: Client = field(default_factory=Client)
    path: str = GENERATIONS

    def create(self, prompt: str = "A fox", **fields: object) -> tuple[int, dict[str, Any]]:
        return self.post({"prompt": prompt, **fields})

    def post(self, body: object) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(self.path, body, content_type="application/json", headers=KEY)
        return answer.status_code, answer.json()

    def made(self, prompt: str = "A fox", **fields: object) -> str:
        status, body = self.create(prompt, **fields)
        assert (status, body["code"]) == (200, 0), body
        task_id: str = body["data"]["task_id"]
        return task_id

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        answer = self.client.get(path, headers=KEY)
        return answer.status_code, answer.json()

    def task(self, name: str) -> dict[str, Any]:
        status, body = self.get(f"{self.path}/{name}")
        assert (status, body["code"]) == (200, 0), body
        data: dict[str, Any] = body["data"]
        return data

    def asked(self, **chosen: str) -> dict[str, Any]:
        body: dict[str, Any] = self.client.get("/sandbox/requests", chosen).json()
        return body


@pytest.fixture
def kling() -> Kling:
    return Kling()


def picture(width: int = 800, height: int = 600, kind: str = "PNG") -> str:
    """A picture as base64 without prefix."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, kind)
    return base64.b64encode(file.getvalue()).decode()
