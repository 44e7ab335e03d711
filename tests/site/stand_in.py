"""`python -m tests.site.stand_in FOLDER SPEC`: the supervisor with tiny programs and a queue made of files."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from klingweb.supervisor import Program, Supervisor, Watch

# Writes its id; on SIGTERM it notes its name and whether the stop file was there, and ends. It may be stubborn, and it
# may have a child that nobody asked to end.
PROGRAM = """
import os, pathlib, signal, sys, time
folder, name, manner = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]

def note(text):
    with (folder / "ended").open("a") as out:
        out.write(text + "\\n")

def end(*_):
    note(f"{name} {'after' if (folder / 'stop').exists() else 'before'}")
    if manner != "stubborn":
        sys.exit(0)

signal.signal(signal.SIGTERM, end)
kind = "pid"
if manner == "parent" and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kind = "child"
draft = folder / f".{name}.{os.getpid()}"
draft.write_text(str(os.getpid()))
draft.replace(folder / f"{name}.{kind}")
while True:
    time.sleep(0.05)
"""


class Files:
    """A queue of files: `asked` holds what was asked for, `away` means no database. Only `two` gives signs of life."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def nudge(self) -> None:
        self._note("nudge")

    def stand_by(self) -> None:
        self._note("stand by")

    def beat(self, cluster: str) -> None:
        self._note(f"beat {cluster}")

    def last_beat(self, cluster: str) -> datetime | None:
        return datetime.now(UTC) if cluster == "two" else None

    def open_submissions(self) -> int:
        self._note("count")
        file = self.folder / "open"
        return int(file.read_text() or 0) if file.exists() else 0

    def _note(self, text: str) -> None:
        if (self.folder / "away").exists():
            raise OSError("the database\nis away")
        with (self.folder / "asked").open("a") as out:
            out.write(f"{text}\n")


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main(folder: Path, spec: dict[str, str | float]) -> int:
    programs = [
        Program(name, [sys.executable, "-c", PROGRAM, str(folder), name, str(spec.get(name, "good"))], cluster=cluster)
        for name, cluster in (("web", ""), ("one", "one"), ("two", "two"))
    ]
    return Supervisor(
        programs,
        Watch(
            Files(folder),
            ("one", "two"),
            every=float(spec.get("every", 0.05)),
            silence=float(spec.get("silence", 60)),
        ),
        stop_file=folder / "stop",
        ready=(folder / "web.pid").exists,
        announce="up",
        say=say,
        grace=float(spec.get("grace", 30)),
        paid_grace=float(spec.get("paid_grace", 30)),
    ).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
