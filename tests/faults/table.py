"""The fault matrix: what may go wrong, where the generation then is, what the person sees, and what was paid for.

`python -m tests.faults.table` prints it as Markdown. The tests hold each row against a served installation.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.stand_in import (
    HTML,
    PAGE,
    SVG,
    Act,
    Script,
    cut,
    drips,
    endless,
    explodes,
    half,
    leads_to,
    made,
    mislabelled,
    refuses,
    reset,
    says,
    silent,
    swells,
    well,
)

NOBODY_KNOWS = "Nobody knows whether this request arrived, so it is not simply sent again."
STOPS_NOT = "cannot be stopped. The pictures will arrive here."
MODERATED = "The content rules of the provider refused this. Change the prompt and try again. Nothing was charged."
REFUSED = "The provider refused these settings. Change them and try again. Nothing was charged."
ODD = "The provider answered in a form that klingweb does not understand. The answer is kept."
NO_PICTURES = "The provider says that it is done, but klingweb finds no picture in its answer. The answer is kept."
BUSY = "Waiting The provider is busy. The request waits for a free slot and is sent by itself."
UNREACHED = "Waiting It could not be sent: Nobody answers at this address. It is tried again by itself."
NOT_WHOLE = "The file is not a whole picture"
PAUSED = "is paused. It is sent by itself once an admin has resumed the key. Nothing is lost."
ONE_HERE = "1 of 2 here, bringing the rest home"
GONE = "The pictures were made and charged, but none could be brought home before the provider removed them."

ALL = ("kling", "useapi", "kkiai", "apimodels")

RESUME, MADE, AGAIN, GIVE_UP, BROUGHT = (
    "an admin resumes the key",
    "a person says that it was made, and pastes its id",
    "a person sends it again",
    "a person gives it up",
    "a person brings the pictures",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault. `waits` is the status while it lasts, empty where it ends at once; `sees` stands on the page then.

    `then` is what a person does about it; otherwise it clears up by itself. `accepted` counts its paid requests.
    """

    fault: str
    waits: str = ""
    sees: str
    then: str = ""
    ends: str = "succeeded"
    accepted: int = 1


SOUND = Script()


@dataclass(frozen=True, kw_only=True)
class Fault(Row):
    """One that a provider plays by its script. `mends` says that it lasts until that is mended, `slow` that it is slow.

    `pictures` are asked for; `refused` says that nobody listens at its address.
    """

    script: Script = SOUND
    provider: str = "kling"
    pictures: int = 1
    refused: bool = False
    mends: bool = True
    slow: bool = False

    @property
    def slug(self) -> str:
        """A name for addresses."""
        return "".join(each if each.isalnum() else "-" for each in f"{self.provider} {self.fault}".lower())


def lost(fault: str, *create: Act) -> Fault:
    """The answer to the paid request never came: it was accepted, and is found again once the provider can be asked."""
    script = Script(create=create, query=(says(PAGE, 503, HTML),))
    return Fault(fault=fault, script=script, waits="unconfirmed", sees=NOBODY_KNOWS)


def missed(fault: str, *create: Act) -> Fault:
    """The paid request was never accepted: the provider says so, and it is sent once more under the same name."""
    script = Script(create=(*create, well))
    return Fault(fault=fault, script=script, waits="unconfirmed", sees=NOBODY_KNOWS, mends=False, slow=True)


def unsure(fault: str, provider: str, then: str, *, ends: str = "succeeded", accepted: int = 1) -> Fault:
    """The answer never came, and this provider cannot be asked for it: a person decides."""
    return Fault(
        fault=fault,
        provider=provider,
        script=Script(create=(made(reset), well)),
        waits="unconfirmed",
        sees=NOBODY_KNOWS,
        then=then,
        ends=ends,
        accepted=accepted,
        mends=False,
    )


def refusal(fault: str, *create: Act, sees: str = MODERATED, provider: str = "kling") -> Fault:
    """Refused for good, before anything was made."""
    script = Script(create=create)
    return Fault(fault=fault, provider=provider, script=script, sees=sees, ends="failed", accepted=0, mends=False)


def pausing(fault: str, *create: Act, provider: str = "kling") -> Fault:
    """The account cannot send: the key rests until an admin has mended it."""
    script = Script(create=create)
    return Fault(fault=fault, provider=provider, script=script, waits="queued", sees=PAUSED, then=RESUME)


def busy(fault: str, *create: Act) -> Fault:
    """No room at the provider: it waits and is sent by itself."""
    return Fault(fault=fault, script=Script(create=create), waits="queued", sees=BUSY)


def unheard(fault: str, *query: Act, sees: str = STOPS_NOT) -> Fault:
    """The look-up fails: that means "not yet"."""
    return Fault(fault=fault, script=Script(query=query), waits="running", sees=sees)


def spoiled(fault: str, act: Act, sees: str, *, slow: bool = False) -> Fault:
    """The first of two pictures cannot be brought home: the other is here, and it is tried again until it is."""
    script = Script(picture=(act,))
    return Fault(fault=fault, script=script, pictures=2, waits="collecting", sees=f"{ONE_HERE} {sees}", slow=slow)


def failed_task(fault: str, provider: str, **words: str) -> Fault:
    """Accepted; then its task fails."""
    said = {"code": 200 if provider == "apimodels" else 0, "data": {"task_id": "8", "taskId": "8", **words}}
    script = Script(query=(says(said),))
    return Fault(fault=fault, provider=provider, script=script, sees=MODERATED, ends="failed", mends=False)


def faults(neighbour: str) -> tuple[Fault, ...]:
    """All that a provider may do to us. `neighbour` is a private address that it would like us to call."""
    return (
        # The paid request
        missed("Time-out before the request is accepted", silent),
        lost("Time-out after it was accepted", made(silent)),
        Fault(fault="Connection refused", refused=True, waits="queued", sees=UNREACHED),
        missed("Line reset before it is accepted", reset),
        lost("Line reset after it was accepted", made(reset)),
        lost("Half an answer", half),
        lost("HTTP 500 without a body", made(says(b"", 500))),
        missed("HTTP 503 with Kling's code 5001", refuses(5001, "Service unavailable", 503)),
        lost("HTTP 502 with a page of HTML", made(says(PAGE, 502, HTML))),
        lost("HTTP 200 with a page of HTML", made(says(PAGE, 200, HTML))),
        lost("Broken JSON", cut),
        lost("Accepted without an id", made(says({"code": 0, "data": {}}))),
        lost("An answer that swells to 96 MB", made(swells)),
        Fault(
            fault="Wrong content type", script=Script(create=(mislabelled,), query=(mislabelled,)), sees="", mends=False
        ),
        # Refusals
        pausing("429 with 1100, trouble with the account", refuses(1100, "Account exception")),
        pausing("429 with 1101, in arrears", refuses(1101, "Account in arrears")),
        pausing("429 with 1102, resource pack used up", refuses(1102, "Account balance not enough")),
        busy("429 with 1302, too many requests", refuses(1302, "API rate limit")),
        busy("429 with 1303, too many at once", refuses(1303, "parallel task over resource pack limit")),
        pausing("429 with 1304, address not allowed", refuses(1304, "IP not in whitelist")),
        busy("429 without a code", says(b"", 429)),
        busy("429 with Retry-After", says(PAGE, 429, HTML, Retry_After="1")),
        pausing("401 with 1002, unknown key", refuses(1002, "access key not found", 401)),
        refusal("400 with 1201, wrong value", refuses(1201, "n value is invalid", 400), sees=REFUSED),
        refusal("Moderation: 1301", refuses(1301, "Failure to pass the risk control system", 400)),
        failed_task(
            "Moderation: a failed task",
            "kling",
            task_status="failed",
            task_status_msg="Failure to pass the risk control system",
        ),
        refusal(
            "Moderation: useapi's 500",
            says({"error": "violates the community guidelines. (CM_EXT.POther)", "message": "Internal error"}, 500),
            provider="useapi",
        ),
        refusal("Moderation: useapi's 422", says({"error": "Content moderated"}, 422), provider="useapi"),
        refusal(
            "Moderation: kkiai's sensitive words",
            says({"error": {"code": "sensitive_words_detected", "message": "sensitive words detected"}}, 400),
            provider="kkiai",
        ),
        failed_task(
            "Moderation: apimodels' failed task",
            "apimodels",
            state="failed",
            failMsg="It was refused",
            failCode="CONTENT_MODERATION",
        ),
        pausing("useapi's 596, the account cannot sign in", says({"error": "Session expired"}, 596), provider="useapi"),
        # Relays, whose tasks do not bear our name
        Fault(
            fault="useapi: line reset after it was accepted",
            provider="useapi",
            script=Script(create=(made(reset),), query=(says(PAGE, 503, HTML),)),
            waits="unconfirmed",
            sees=NOBODY_KNOWS,
        ),
        unsure("kkiai: line reset after it was accepted", "kkiai", MADE),
        unsure("kkiai: the same, and the task cannot be found", "kkiai", BROUGHT),
        unsure("apimodels: line reset after it was accepted", "apimodels", AGAIN, accepted=2),
        unsure("apimodels: the same", "apimodels", GIVE_UP, ends="failed"),
        # Queries
        unheard("Query: no answer", silent),
        unheard("Query: line reset", reset),
        unheard("Query: half an answer", half),
        unheard("Query: HTTP 500 without a body", says(b"", 500)),
        unheard("Query: HTTP 503 with a page of HTML", says(PAGE, 503, HTML), sees=ODD),
        unheard("Query: broken JSON", cut, sees=ODD),
        unheard("Query: 429 with 1302", refuses(1302, "API rate limit")),
        unheard("Query: an answer that swells to 96 MB", swells),
        unheard(
            "Query: done, with no picture",
            says({"code": 0, "data": {"task_id": "1", "task_status": "succeed", "task_result": {"images": []}}}),
            sees=NO_PICTURES,
        ),
        # Pictures
        Fault(fault="Picture: wrong content type", script=Script(picture=(mislabelled,)), sees="", mends=False),
        spoiled("Picture: a page of HTML", says(PAGE, 200, HTML), NOT_WHOLE),
        spoiled("Picture: an SVG", says(SVG, 200, "image/svg+xml"), NOT_WHOLE),
        spoiled("Picture: empty", says(b"", 200, "image/png"), NOT_WHOLE),
        spoiled("Picture: cut off, as if that were all", cut, NOT_WHOLE),
        spoiled("Picture: the line ends in the middle", half, "The line broke off."),
        spoiled("Picture: HTTP 503", says(PAGE, 503, HTML), "HTTP 503 instead of a picture. It is tried again"),
        spoiled("Picture: no answer", silent, "The picture was not here within", slow=True),
        spoiled("Picture: without end", endless, "The picture is larger than 80 MB.", slow=True),
        spoiled("Picture: a byte now and then", drips, "The picture was not here within", slow=True),
        spoiled("Picture: 400 million pixels in 50 kB", explodes, NOT_WHOLE),
        spoiled("Picture: 96 MB in 100 kB", swells, "The picture is larger than 80 MB."),
        spoiled(
            "Picture: a redirect to a private address",
            leads_to(f"https://{neighbour}/admin"),
            "127.0.0.1 leads to a private address.",
        ),
        spoiled(
            "Picture: a redirect to a private name",
            leads_to(f"https://localhost:{neighbour.split(':')[1]}/"),
            "localhost leads to a private address.",
        ),
        spoiled(
            "Picture: a redirect to a cloud's own address",
            leads_to("http://169.254.169.254/latest/meta-data/"),
            "The address does not begin with https.",
        ),
        Fault(
            fault="Picture: expired (404)",
            script=Script(picture=(says(b"", 404),)),
            sees=GONE,
            ends="failed",
            mends=False,
        ),
        Fault(
            fault="Picture: one of two expired (404)",
            script=Script(picture=(says(b"", 404),)),
            pictures=2,
            sees="1 of 2 pictures. 1 could not be brought home. HTTP 404 instead of a picture.",
            mends=False,
        ),
    )


# Rows that a test of its own plays: it holds the status, the page and both books against them.
LATER = "the page that was asked for, some seconds later"
BROKE = "The database does not answer Nothing that was asked for is lost, and pictures that are being made go on."
OURS = (
    KILLED := Row(
        fault="SIGKILL of a worker, a cluster, the web server or all of it, with one generation in each status",
        sees="the same page after the next start",
    ),
    DOUBLED := Row(fault="Two web servers and four clusters on one database", sees=""),
    LOCKED := Row(fault="Database locked by another program for ten seconds", sees=LATER),
    FULL := Row(
        fault="Disk full while a picture arrives",
        waits="collecting",
        sees="0 of 1 here, bringing the rest home What arrived could not be written to the disk.",
    ),
    BRIMFUL := Row(fault="Disk full for everything, an SQLite database included, for ten seconds", sees=BROKE),
    CUT_OFF := Row(fault="PostgreSQL and Redis gone for ten seconds", sees=BROKE),
    FROZEN := Row(fault="PostgreSQL and Redis silent for ten seconds", sees=LATER),
)
LEFT = "It has left already and cannot be stopped. The pictures will arrive here."
PEOPLE = (
    TWICE := Row(fault="Double click on Generate", sees=""),
    BACK := Row(fault="Back, and the same form again", sees=""),
    CHANGED := Row(fault="Back, and the form changed: a new request", sees=""),
    TABS := Row(fault="The same in two tabs: two requests", sees=""),
    RETRIED := Row(fault="“Try again” in two tabs", sees=""),
    RESENT := Row(
        fault="“Send again” in two tabs", waits="unconfirmed", sees="It was decided already.", then=AGAIN, accepted=2
    ),
    CANCELED := Row(
        fault="Cancel while it waits",
        sees="Canceled before it was sent. Nothing was charged.",
        ends="canceled",
        accepted=0,
    ),
    SENDING := Row(fault="Cancel while it is being sent", waits="submitting", sees=LEFT),
    RUNNING := Row(fault="Cancel while it runs", waits="running", sees=LEFT),
    LET_GO := Row(
        fault="Cancel while it runs at useapi",
        waits="running",
        sees="useapi.net was asked to let go of it. If it makes the pictures all the same, they will arrive here.",
        ends="canceled",
    ),
    ARRIVING := Row(fault="Cancel while pictures arrive", waits="collecting", sees=LEFT),
    DOUBTED := Row(
        fault="Cancel while nobody knows",
        waits="unconfirmed",
        sees="It was sent already, and nobody knows whether it arrived. Decide below what is to be done.",
    ),
    OVER := Row(fault="Cancel after the end", sees="It has ended already."),
)


def markdown(rows: Iterable[Row]) -> str:
    """The table."""
    head = (
        "| fault | waits as | what the person sees | then | ends as | paid |\n| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(map(_line, rows))


def _line(row: Row) -> str:
    shown = f"{'…' if row.sees[:1].islower() else ''}{row.sees}" or "the pictures"
    cells = (row.fault, row.waits, shown, row.then or ("by itself" if row.waits else ""), row.ends, str(row.accepted))
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.stdout.write(markdown([*faults("127.0.0.1:1"), *OURS, *PEOPLE]))
