"""The line to the providers: what is sent arrives, late or never; the answer comes back, late, broken or never."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from generations.providers import client
from generations.providers.exchange import FateUnknown, NotSent
from tests.simulation.clock import Future

if TYPE_CHECKING:
    from tests.simulation.world import World

LEFT = "simulation.left"  # in a request's extensions: when it left
LATEST = 60.0  # seconds after its sender gave up in which a request may still arrive
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class Answer:
    """What a provider answers."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Network:
    """Stands where `client.shared()` stood."""

    def __init__(self, world: "World") -> None:
        self.world, self.clock, self.rng = world, world.clock, world.rng

    # Calls ------------------------------------------------------------------------------------------------------------

    def send(self, call: client.Call) -> Future:
        world, owner = self.world, self.world.running()
        name = f"{call.request.method} {call.request.url.path}"
        world.chaos.at_send(name)
        future = Future(owner)
        call.request.extensions[LEFT] = self.clock.elapsed
        if call.paid:
            world.witness.paid_call_leaves(call)
        weather, draw = world.chaos.weather, self.rng.random()
        astray = weather.astray if call.paid else 0
        if draw < max(weather.unsent, astray):
            self._later(self.rng.choice((0.01, 1.0, call.deadline)), future, NotSent("The line failed (ConnectError)."))
            return future
        draw -= max(weather.unsent, astray)
        if draw < weather.lost_requests:
            world.say(owner.name, f"{name} is lost on its way")
            self._later(self._silence(call), future, FateUnknown("No answer came."))
            return future
        draw -= weather.lost_requests
        if call.paid and draw < weather.late_requests:
            self.clock.after(call.deadline, lambda: future.resolve(FateUnknown("No answer within its time.")))
            self.clock.after(call.deadline + self.rng.uniform(0, LATEST), lambda: self._arrive(call, None))
            return future
        self.clock.after(self._latency(), lambda: self._arrive(call, future))
        return future

    def _arrive(self, call: client.Call, future: Future | None) -> None:
        if future and not future.owner.alive and self.rng.random() < 0.3:
            return  # its last bytes died with it
        answer = self.world.providers.answer(call.request, paid=call.paid)
        if future is None:
            return
        astray = self.world.chaos.weather.astray if call.paid else 0
        if self.rng.random() < max(self.world.chaos.weather.lost_answers, astray):
            self.world.say("network", f"the answer to {call.request.method} {call.request.url.path} is lost")
            self._later(self._silence(call), future, FateUnknown("The line broke before the answer."))
            return
        if self.rng.random() < self.world.chaos.weather.broken_answers:
            answer = self._broken(answer)
        response = httpx.Response(
            answer.status, headers=list(answer.headers), content=answer.body, request=call.request
        )
        slow = astray and self.rng.random() < 2 * astray  # a new request is open as an old answer comes again
        self._later(self.rng.uniform(1, call.deadline - 10) if slow else self._latency(), future, response)

    def _broken(self, answer: Answer) -> Answer:
        """A gateway on the way back spoils it."""
        return self.rng.choice(
            (
                Answer(502, HTML),
                Answer(200, HTML),
                Answer(504, b""),
                Answer(answer.status, answer.body[: len(answer.body) // 2]),
                Answer(200, b"{}"),
                Answer(200, b"null"),
            )
        )

    def _silence(self, call: client.Call) -> float:
        """Until the sender gives up: the line is reset, or the time is over."""
        return self.rng.choice((0.5, 5.0, call.deadline, call.deadline))

    def _latency(self) -> float:
        return self.rng.choice((0.05, 0.1, 0.2, 0.4, 1.5))

    def _later(self, seconds: float, future: Future, answer: object) -> None:
        self.clock.after(seconds, lambda: future.resolve(answer))

    # Pictures ---------------------------------------------------------------------------------------------------------

    def fetch(self, call: client.Call, path: Path, cap: int = 0) -> Future:
        owner = self.world.running()
        self.world.chaos.at_send("a picture is fetched")
        future = Future(owner)
        self.clock.after(self._latency(), lambda: self._later(self._latency(), future, self._file(call, path)))
        return future

    def _file(self, call: client.Call, path: Path) -> client.Fetched | client.NotFetched:
        content = self.world.providers.picture(call.request)
        if content is None:
            return client.NotFetched("HTTP 404 instead of a picture.", gone=True)
        if self.rng.random() < self.world.chaos.weather.broken_pictures:
            if self.rng.random() < 0.5:
                return client.NotFetched("The picture could not be fetched (ReadError).")
            content = HTML
        self.world.disk.arriving[path] = content
        return client.Fetched(path, len(content), sha256(content).hexdigest())
