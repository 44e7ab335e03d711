"""`python tether.py SECONDS` ends the programs of whoever started it once that one is gone, even by SIGKILL.

Standard input names the leaders of their sessions: each line all that there are. When it ends, they are asked to end by
SIGTERM, and what is left of their process groups after the seconds is ended. A program of its own, because what watches
over a process must not die with it.
"""

import os
import signal
import sys
import time
from contextlib import suppress

TICK = 0.1


def main(patience: float) -> None:
    """Wait for the end of standard input, then for the end of all that it named last."""
    leaders: list[int] = []
    for line in sys.stdin:
        leaders = [int(word) for word in line.split()]
    for leader in leaders:
        with suppress(ProcessLookupError):
            os.kill(leader, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while any(map(is_left, leaders)) and time.monotonic() < deadline:
        time.sleep(TICK)
    for leader in leaders:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)


def is_left(leader: int) -> bool:
    """Whether there is anything of its process group."""
    with suppress(ProcessLookupError):
        os.killpg(leader, 0)
        return True
    return False


if __name__ == "__main__":
    main(float(sys.argv[1]))
