"""Real processes: started, waited for with a deadline, found again by a mark in their environment."""

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = "KLINGWEB_TEST_MARK"
PATIENCE = 60.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Poll until the condition holds; fail with words when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def marked(mark: str) -> list[int]:
    """The ids of all living processes that carry the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def naps_of(pid: int) -> int:
    """How often a process has waited for something so far."""
    with suppress(OSError):
        told = Path(f"/proc/{pid}/status").read_text()
        return int(told.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    return 0


class Started:
    """A process with everything it starts. What it prints is read from a file, so that it never waits for us."""

    def __init__(self, command: list[str], environ: Mapping[str, str], output: Path, stdout: int | None = None) -> None:
        self.mark = uuid.uuid4().hex
        self.output = output
        with output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                env={**environ, MARK: self.mark, "PYTHONUNBUFFERED": "1"},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def left(self) -> list[int]:
        return marked(self.mark)

    def wait_for_text(self, text: str) -> None:
        wait_until(lambda: text in self.text or self.process.poll() is not None, f"{text!r} in the output")
        assert text in self.text, self.text

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(timeout=PATIENCE)

    def kill_all(self) -> None:
        for pid in self.left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def clean_environ(**more: str) -> dict[str, str]:
    """Our environment without any setting of klingweb."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("KLINGWEB_")}, **more}


Start = Callable[..., Started]


def starter(folder: Path) -> Iterator[Start]:
    """Starts processes and leaves none behind."""
    running: list[Started] = []

    def start(command: list[str], environ: Mapping[str, str] | None = None, stdout: int | None = None) -> Started:
        environ = clean_environ() if environ is None else environ
        running.append(Started(command, environ, folder / f"output-{len(running)}.txt", stdout))
        return running[-1]

    yield start
    for each in running:
        each.kill_all()
