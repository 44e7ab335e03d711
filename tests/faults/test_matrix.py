"""What a provider may do, all of it side by side: each row of the fault matrix is what really happens."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.faults import table
from tests.faults.house import ENDED
from tests.faults.site import LONG, Site, until
from tests.faults.stand_in import PICTURE, StandIn
from tests.faults.table import Fault

pytestmark = pytest.mark.processes


@dataclass
class Trial:
    """A fault on its way."""

    site: Site
    fault: Fault
    credential: str
    generation: str

    def observe(self, deadline: float) -> str:
        """What is not as the table says while the fault lasts; empty where all is."""
        fault = self.fault
        if not fault.waits:
            return ""
        if not until(lambda: fault.sees in self.sees and self.status == fault.waits, deadline):
            return self.told(f"should wait as {fault.waits} and say “{fault.sees}”")
        here, money = self.site.pictures(self.generation), self.site.money(self.generation)
        if here != fault.pictures - 1 and fault.waits == "collecting":
            return self.told(f"{here} pictures are here meanwhile")
        return "" if money == "reserved" else self.told(f"the money is {money} meanwhile")

    def go_on(self) -> None:
        """Whoever has to does what the table says."""
        if self.fault.mends:
            self.site.stand_in.mend(self.fault.slug, refused=self.fault.refused)
        if act := THEN.get(self.fault.then):
            act(self)

    def judge(self, deadline: float) -> str:
        """What is not as the table says in the end."""
        fault = self.fault
        if not until(lambda: self.status in ENDED, deadline) or self.status != fault.ends:
            return self.told(f"should end as {fault.ends}")
        here, due = self.site.pictures(self.generation), fault.pictures if fault.ends == "succeeded" else 0
        if here != due - ("expired" in fault.fault and fault.ends == "succeeded"):
            return self.told(f"{here} pictures are here")
        if self.site.accepted(fault.slug) != fault.accepted:
            return self.told(f"accepted {self.site.accepted(fault.slug)} times")
        if not fault.waits and fault.sees not in self.sees:
            return self.told(f"should say “{fault.sees}”")
        paid = "settled" if fault.ends == "succeeded" or fault.sees == table.GONE else "released"
        money = self.site.money(self.generation)
        return "" if money == paid else self.told(f"the money is {money}")

    @property
    def status(self) -> str:
        return self.site.house.status(self.generation)

    @property
    def sees(self) -> str:
        return self.site.sees(self.generation)

    def told(self, wrong: str) -> str:
        return f"{self.fault.fault}: {wrong}. It is {self.status}.\n  {self.site.story(self.generation)}\n  {self.sees}"


def _paste(trial: Trial) -> None:
    task = next(iter(trial.site.stand_in.cases[trial.fault.slug].tasks))
    trial.site.press(trial.generation, "decide", action="made", task_id=task)


def _bring(trial: Trial) -> None:
    trial.site.post(f"/g/{trial.generation}/decide/", {"action": "brought"}, PICTURE)


THEN: dict[str, Callable[[Trial], object]] = {
    table.RESUME: lambda trial: trial.site.resume(trial.credential),
    table.MADE: _paste,
    table.BROUGHT: _bring,
    table.AGAIN: lambda trial: trial.site.press(trial.generation, "decide", action="again"),
    table.GIVE_UP: lambda trial: trial.site.press(trial.generation, "decide", action="give_up"),
}


def undertake(site: Site, fault: Fault) -> Trial:
    credential = site.customer(fault.slug, fault.script, fault.provider, refused=fault.refused)
    return Trial(site, fault, credential, site.ask(fault.fault, credential, fault.provider, fault.pictures))


@pytest.mark.parametrize(
    "slow", [pytest.param(False, id="short"), pytest.param(True, id="long", marks=pytest.mark.faults)]
)
def test_whatever_a_provider_does_nothing_is_lost_and_nothing_is_paid_twice(
    site: Site, stand_in: StandIn, slow: bool
) -> None:
    chosen = [each for each in table.faults(stand_in.neighbour.pair) if each.slow == slow]
    trials = [undertake(site, each) for each in sorted(chosen, key=lambda each: each.mends)]
    well = {
        provider: site.customer(f"well {slow} {provider}".replace(" ", "-"), None, provider) for provider in table.ALL
    }
    bystanders = [site.ask("A boat", each, provider) for provider, each in well.items()]
    deadline = time.monotonic() + LONG
    wrong = [each.observe(deadline) for each in trials]
    unaffected = until(lambda: set(site.statuses(bystanders)) == {"succeeded"}, deadline)
    for each in trials:
        each.go_on()
    deadline = time.monotonic() + LONG
    wrong += [each.judge(deadline) for each in trials]
    assert not list(filter(None, wrong)), "\n".join(filter(None, wrong))
    assert unaffected
    assert [site.accepted(f"well-{slow}-{provider}") for provider in well] == [1] * len(well)
    assert not stand_in.neighbour.strangers
    assert not site.half_written()
