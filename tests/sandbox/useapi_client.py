"""Django's test client at useapi's addresses."""

import io
from dataclasses import dataclass, field
from typing import Any

from django.http.response import HttpResponseBase
from django.test import Client
from PIL import Image

BASE = "/sandbox/useapi/v1/kling"
TOKEN = {"Authorization": "Bearer user:1-sandbox-key"}
ANNA, BEN = "anna@sandbox.example", "ben@sandbox.example"
V21 = {"version": "kling-v2-1"}


def photo(width: int = 800, height: int = 600, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, kind)
    return file.getvalue()


@dataclass
class Useapi:
    """Answers as (HTTP status, JSON body)."""

    client: Client = field(default_factory=Client)
    email: str = ANNA

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(BASE + path, body, content_type="application/json", headers=TOKEN)
        return answer.status_code, answer.json()

    def get(self, path: str, **query: str | int) -> tuple[int, Any]:
        answer = self.client.get(BASE + path, query, headers=TOKEN)
        return answer.status_code, answer.json()

    def delete(self, path: str, **query: object) -> HttpResponseBase:
        return self.client.delete(BASE + path, query_params=query, headers=TOKEN)

    def create(self, prompt: str = "A fox", **fields: object) -> tuple[int, dict[str, Any]]:
        return self.post("/images/kolors", {"email": self.email, "prompt": prompt, **fields})

    def combine(self, **fields: object) -> tuple[int, dict[str, Any]]:
        return self.post("/images/kolors-elements", {"email": self.email, **fields})

    def made(self, prompt: str = "A fox", **fields: object) -> int:
        status, body = self.create(prompt, **fields)
        assert status == 200, body
        task_id: int = body["task"]["id"]
        return task_id

    def task(self, task_id: int) -> dict[str, Any]:
        status, body = self.get(f"/tasks/{task_id}", email=self.email)
        assert status == 200, body
        whole: dict[str, Any] = body
        return whole

    def send(self, content: bytes, kind: str = "image/png") -> tuple[int, dict[str, Any]]:
        path = f"{BASE}/assets?email={self.email}"
        answer = self.client.post(path, content, content_type=kind, headers=TOKEN)
        return answer.status_code, answer.json()

    def asset(self, width: int = 800, height: int = 600) -> str:
        status, body = self.send(photo(width, height))
        assert status == 200, body
        url: str = body["url"]
        return url

    def asked(self, **chosen: str) -> dict[str, Any]:
        body: dict[str, Any] = self.client.get("/sandbox/requests", chosen).json()
        return body
