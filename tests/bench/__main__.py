"""`make bench`: real processes against a provider that is never what one waits for, and figures of how quick they are.

Takes twelve minutes on a quiet machine, and should have it to itself; `--short` only shows that everything works.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from os import environ
from pathlib import Path

from tests.bench import capacity, figures
from tests.bench.bench import Bench, Scale
from tests.bench.house import Provider, server_version
from tests.bench.measure import Row, as_markdown, as_text, machine

Figure = Callable[[Bench, Scale], Iterator[Row]]

SERVER = environ.get("KLINGWEB_TEST_DATABASE_URL", "")
FIGURES: Mapping[str, Figure] = {
    "polling": figures.polling,
    "polls": figures.polls,
    "webhook": figures.webhook,
    "accepted": figures.accepted,
    **({"accepted-postgresql": partial(figures.accepted, server=SERVER)} if SERVER.startswith("postgres") else {}),
    "leaves": figures.leaves,
    "slot": capacity.slot,
    "standby": capacity.standby,
    "lists": capacity.lists,
    "singly": capacity.singly,
    "memory": capacity.memory,
    "home": capacity.home,
    "pages": capacity.pages,
}


def main(arguments: list[str] | None = None) -> None:
    """Print figures as they come, or a table once all are there."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="tiny loads for seconds: shows that it works, no more")
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--markdown", action="store_true", help="print nothing but the table for the README")
    chosen = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda known, _frame: sys.exit(128 + known))  # so that everything is ended on the way
    head = machine(server_version(SERVER) if "accepted-postgresql" in FIGURES else "")
    if chosen.short:
        head += "\nShort: this shows that everything works. It measures nothing."
    rows = []
    if not chosen.markdown:
        say(head)
    for row in measured([FIGURES[name] for name in chosen.only or FIGURES], short=chosen.short):
        rows.append(row)
        if not chosen.markdown:
            say(as_text(row))
    if chosen.markdown:
        say(f"{head}\n")
        say(as_markdown(rows))


def measured(wanted: list[Figure], *, short: bool) -> Iterator[Row]:
    """The rows of these figures, at a tenth of the load and at all of it."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="klingweb-bench-"))
        provider = Provider()
        stack.callback(provider.close)
        bench = Bench(Path(folder), provider, short)
        stack.callback(bench.close)
        for figure in wanted:
            for scale in bench.scales:
                yield from figure(bench, scale)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
