"""What people do: press twice, go back, work in two tabs, and cancel at each moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults import table
from tests.faults.site import Site
from tests.faults.stand_in import Script, made, refuses, reset, says, silent
from tests.faults.table import Row
from tests.site.processes import wait_until

pytestmark = pytest.mark.processes

AWAY = says(b"", 503)


def form_of(site: Site, slug: str) -> dict[str, str]:
    return site.form("kling", site.customer(slug)) | {"prompt": "A boat"}


def at_once(site: Site, path: str, **form: str) -> list[str]:
    """Where two tabs get to that press the same button at the same moment."""
    with ThreadPoolExecutor(2) as pool:
        pressed = [pool.submit(site.post, path, form) for _ in range(2)]
    return [each.result().url.path for each in pressed]


def test_a_form_asks_once_however_often_it_is_sent(site: Site) -> None:
    form = form_of(site, "twice")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(site.send, [form, form])
    assert first == second
    site.holds(table.TWICE, "twice", first)
    assert site.send(form) == first
    site.holds(table.BACK, "twice", first)
    other = site.send(form | {"prompt": "A bridge"})
    site.holds(table.CHANGED, "twice", first, other)


def test_two_tabs_ask_for_what_each_was_told_to(site: Site) -> None:
    form = form_of(site, "tabs")
    asked = site.send(form), site.send(form | {"key": site.form("kling", form["credential"])["key"]})
    site.holds(table.TABS, "tabs", *asked)


def test_trying_again_in_two_tabs_makes_one_new_attempt(site: Site) -> None:
    credential = site.customer("retried", Script(create=(refuses(1201, "n value is invalid", 400),)))
    failed = site.ask("A boat", credential)
    site.wait_for(failed, "failed")
    site.stand_in.mend("retried")
    (again, same) = at_once(site, f"/g/{failed}/retry/")
    assert again == same != f"/g/{failed}/"
    site.holds(table.RETRIED, "retried", again.split("/")[2])


def test_sending_again_in_two_tabs_sends_once(site: Site) -> None:
    credential = site.customer("resent", Script(create=(made(reset),)), "kkiai")
    asked = site.ask("A boat", credential, "kkiai")
    site.wait_for(asked, table.RESENT.waits)
    site.stand_in.mend("resent")
    at_once(site, f"/g/{asked}/decide/", action="again")
    assert table.RESENT.sees in site.press(asked, "decide", action="again")
    site.holds(table.RESENT, "resent", asked)


# Canceling ------------------------------------------------------------------------------------------------------------

HELD: dict[str, tuple[Row, Script]] = {
    "submitting": (table.SENDING, Script(create=(made(silent),))),
    "running": (table.RUNNING, Script(query=(AWAY,))),
    "collecting": (table.ARRIVING, Script(picture=(silent,))),
    "unconfirmed": (table.DOUBTED, Script(create=(made(reset),), query=(AWAY,))),
    "succeeded": (table.OVER, Script()),
}


def test_what_waits_for_its_key_can_be_taken_back(site: Site) -> None:
    credential = site.customer("cancel-queued", Script(create=(refuses(1102, "Account balance not enough"),)))
    asked = site.ask("A boat", credential)
    wait_until(lambda: table.PAUSED in site.sees(asked), "its key is paused")
    assert table.CANCELED.sees in site.press(asked, "cancel")
    site.holds(table.CANCELED, "cancel-queued", asked)


@pytest.mark.parametrize("status", HELD)
def test_canceling_too_late_says_so(site: Site, status: str) -> None:
    row, script = HELD[status]
    asked = site.ask("A boat", site.customer(f"cancel-{status}", script))
    site.wait_for(asked, status)
    assert row.sees in site.press(asked, "cancel")
    site.stand_in.mend(f"cancel-{status}")
    site.holds(row, f"cancel-{status}", asked)


def test_useapi_is_asked_to_let_go(site: Site) -> None:
    credential = site.customer("let-go", Script(query=(AWAY,)), "useapi")
    asked = site.ask("A boat", credential, "useapi")
    site.wait_for(asked, "running")
    assert table.LET_GO.sees in site.press(asked, "cancel")
    site.stand_in.cases["let-go"].script = Script(query=(says({"error": "Task not found"}, 404),))
    site.holds(table.LET_GO, "let-go", asked)
