"""The table of the drift: `pytest tests/drift -v` prints it."""

from collections.abc import Iterator

import pytest

END = "drift"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What became of each way with each provider."""
    told = dict(_told(terminalreporter))
    if not told or config.get_verbosity() < 1:
        return
    slugs = sorted({slug for _, _, slug in told})
    terminalreporter.section("drift")
    terminalreporter.write_line(f"{'':48}" + "".join(f"{slug:26}" for slug in slugs))
    for step, name in sorted({(step, name) for step, name, _ in told}):
        row = "".join(f"{told.get((step, name, slug), ''):26}" for slug in slugs)
        terminalreporter.write_line(f"{step}: {name}".ljust(48) + row)


def _told(reporter: pytest.TerminalReporter) -> Iterator[tuple[tuple[str, str, str], str]]:
    for report in reporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == END:
                step, way, slug, end = str(value).split("|")
                yield (step, way, slug), end
