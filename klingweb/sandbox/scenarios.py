"""Scenarios: words in square brackets, anywhere in a prompt, that choose how a request goes."""

MODERATED = "[moderated]"
FAILED = "[failed]"
SLOW = "[slow]"
BUSY = "[busy]"
NO_CREDIT = "[no-credit]"
BROKEN_JSON = "[broken-json]"
HTML_502 = "[html-502]"
GONE = "[gone]"
SLOW_ANSWER = "[slow-answer]"
SLOW_FILES = "[slow-files]"
LOST_ANSWER = "[lost-answer]"
LOST_REQUEST = "[lost-request]"
ONE_LOST_WORK = "[one-lost-work]"
NO_CALLBACK = "[no-callback]"
REPEATED_CALLBACK = "[repeated-callback]"

SCENARIOS: dict[str, str] = {
    MODERATED: "The request is refused by content moderation; at apimodels its task fails instead.",
    FAILED: "The request is accepted; later its task fails with a reason and costs nothing.",
    SLOW: "The task takes a minute instead of a few seconds.",
    BUSY: "The first two attempts are refused because too much is running; the third is accepted.",
    NO_CREDIT: "The request is refused because the account has nothing left to pay with.",
    BROKEN_JSON: "The first query that would report success is cut off in the middle; the next one is whole.",
    HTML_502: "The first query is answered with an HTML error page and HTTP 502; the next one is right.",
    GONE: "The task succeeds, but its pictures cannot be downloaded.",
    SLOW_ANSWER: "The task is made at once, but the answer to the request takes 45 seconds.",
    SLOW_FILES: "The first half of each picture arrives at once, the rest after a minute and a half.",
    LOST_ANSWER: "The task is made, then the line goes dead before the answer arrives.",
    LOST_REQUEST: "The line goes dead and no task is made; the same request a second time is accepted.",
    ONE_LOST_WORK: "The task succeeds, but the last of its pictures does not come out.",
    NO_CALLBACK: "Callbacks that were asked for are never sent.",
    REPEATED_CALLBACK: "Each callback is sent three times.",
}
"""Each scenario's word and what it does, in one sentence."""


def fails(prompt: str) -> bool:
    """Whether a task with this prompt ends badly: moderation may refuse the request or, in some dialects, the task."""
    return FAILED in prompt or MODERATED in prompt
