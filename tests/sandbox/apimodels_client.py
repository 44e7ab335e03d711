"""Django's test client at apimodels' addresses."""

from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.sandbox.useapi_client import photo

BASE = "/sandbox/apimodels/api/v1"
GENERATIONS = f"{BASE}/images/generations"
KEY = {"Authorization": "Bearer sk_sandbox-key"}
BROWSER = {"User-Agent": "Mozilla/5.0"}


@dataclass
class Apimodels:
    """Answers as (HTTP status, JSON body)."""

    client: Client = field(default_factory=Client)

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(BASE + path, body, content_type="application/json", headers=KEY)
        return answer.status_code, answer.json()

    def get(self, path: str, **query: str | int) -> tuple[int, dict[str, Any]]:
        answer = self.client.get(BASE + path, query, headers=KEY)
        return answer.status_code, answer.json()

    def create(self, prompt: str = "A fox", **fields: object) -> tuple[int, dict[str, Any]]:
        return self.post("/images/generations", {"model": "kling-v3-image", "prompt": prompt, **fields})

    def made(self, prompt: str = "A fox", **fields: object) -> str:
        status, body = self.create(prompt, **fields)
        assert (status, body["code"]) == (200, 200), body
        task_id: str = body["data"]["taskId"]
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        status, body = self.get("/images/generations", task_id=task_id)
        assert (status, body["code"], body["msg"]) == (200, 200, "success"), body
        data: dict[str, Any] = body["data"]
        return data

    def record(self, task_id: str) -> dict[str, Any]:
        data: dict[str, Any] = self.get(f"/records/{task_id}")[1]["data"]
        return data

    def send(self, content: bytes, kind: str = "image/png") -> tuple[int, dict[str, Any]]:
        file = SimpleUploadedFile("photo.png", content, content_type=kind)
        answer = self.client.post(f"{BASE}/files", {"file": file}, headers=KEY)
        return answer.status_code, answer.json()

    def file(self, width: int = 800, height: int = 600) -> str:
        status, body = self.send(photo(width, height))
        assert (status, body["code"]) == (200, 200), body
        url: str = body["data"]["publicUrl"]
        return url

    def asked(self, **chosen: str) -> dict[str, Any]:
        body: dict[str, Any] = self.client.get("/sandbox/requests", chosen).json()
        return body
