"""What people do, at any moment and in any state: ask, change their mind, decide, and mend keys."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from django.db.models import Q

from generations import credentials
from generations.credentials import Key
from generations.models import Credential, Generation
from generations.services import asking, deleting, keys, unconfirmed
from klingweb.accounts.models import User

if TYPE_CHECKING:
    from tests.simulation.world import Life, World


class People:
    """Each deed is a web request: a process of its own, which may die on the way."""

    def __init__(self, world: "World") -> None:
        self.world, self.rng = world, world.rng

    def ask(self, life: "Life") -> None:
        """Send a form. Some click twice, or send it again because no answer came."""
        self._do(f"{life.person.user.name} asks for life {life.number}", lambda: self._ask(life))
        if self.rng.random() < 0.08:
            later = self.rng.choice((0.0, 0.2, 30.0))
            self.world.clock.after(
                later, lambda: self._do(f"life {life.number} is asked for again", lambda: self._ask(life))
            )

    def _ask(self, life: "Life") -> None:
        form = {"prompt": f"life {life.number}", life.count_field: str(life.pictures)}
        chosen = None if life.open else life.credential
        made = asking.ask(life.person, life.offer, life.operation, chosen, form, f"form {life.number}")
        assert made.generation, made.errors
        life.pk = made.generation.pk

    # In the middle of things ------------------------------------------------------------------------------------------

    def meddle(self) -> None:
        """Somebody does something to some generation, or to some key."""
        deed = self.rng.choices(
            (self._cancel, self._look, self._decide, self._delete, self._pause, self._replace, self._rest),
            (20, 20, 20, 10, 6, 4, 3),
        )[0]
        deed()

    def decide(self) -> None:
        """Whoever sees a request of unknown fate does something about it, sooner or later."""
        self._decide()

    def mend(self, *, all_of_them: bool = False) -> None:
        """An admin sees to what rests."""
        resting = Q(paused_at__isnull=False) | Q(accounts__paused_at__isnull=False)
        for credential in Credential.objects.filter(resting).distinct():
            if all_of_them or self.rng.random() < 0.5:
                self._do(f"Alice resumes {credential}", partial(keys.resume, credential, self._person()))
        if all_of_them or self.rng.random() < 0.5:
            self._do("Alice resumes the team", lambda: credentials.resume_team(self.world.team))

    def _cancel(self) -> None:
        if pk := self._some():
            self._to("cancels", pk, lambda it: asking.cancel(it, self._person()))

    def _look(self) -> None:
        if pk := self._some("unconfirmed"):
            self._to("looks again for", pk, unconfirmed.look_again)

    def _decide(self) -> None:
        pk = self._some("unconfirmed") or self._some("failed")
        if not pk:
            return
        deed = self.rng.choice(
            (self._made, self._again, self._again, self._again if self.world.hasty else self._give_up)
        )
        deed(pk)

    def _made(self, pk: str) -> None:
        """With the id that the provider shows, if it made it; some paste a wrong one."""
        life = self.world.life_of(pk)
        tasks = self.world.providers.by_life.get(life.number, []) if life else []
        every = list(self.world.providers.made)
        if tasks and self.rng.random() < 0.8:
            task_id = self.rng.choice(tasks).task_id
        elif every and self.rng.random() < 0.5:
            task_id = self.rng.choice(every)
            if life and task_id not in [each.task_id for each in tasks]:
                life.misled.add(task_id)
        else:
            task_id = "no-such-task"
        self._to(f"says that {task_id} is", pk, lambda it: unconfirmed.it_was_made(it, task_id, self._person()))

    def _again(self, pk: str) -> None:
        self._to("sends again", pk, lambda it: unconfirmed.send_again(it, self._person()))

    def _give_up(self, pk: str) -> None:
        self._to("gives up", pk, lambda it: unconfirmed.give_up(it, self._person()))

    def _delete(self) -> None:
        if pk := self._some(self.rng.choice(("succeeded", "failed", "canceled"))):
            self._to("deletes", pk, lambda it: deleting.delete(it, self._person()))

    def _pause(self) -> None:
        credential = self._some_credential()
        self._do(f"Alice pauses {credential}", lambda: keys.pause(credential, self._person(), "A pause."))
        self.world.clock.after(self.rng.uniform(1, 60), self.mend)

    def _rest(self) -> None:
        self._do("Alice pauses the team", lambda: credentials.pause_team(self.world.team, self._person()))
        self.world.clock.after(self.rng.uniform(1, 60), self.mend)

    def _replace(self) -> None:
        """Another key: mostly of the same account, sometimes of another one."""
        credential = self._some_credential()
        secrets, account = self.world.new_key(credential, same=self.rng.random() < 0.7)
        key = Key(secrets, credential.base_url)
        self._do(
            f"Alice replaces {credential}, now account {account}",
            lambda: keys.replace(credential, self._person(), key),
        )

    # Doing ------------------------------------------------------------------------------------------------------------

    def _to(self, what: str, pk: str, deed: Callable[[Generation], object]) -> None:
        def act() -> None:
            generation = Generation.objects.select_related("credential", "team").filter(pk=pk).first()
            if not generation:
                return
            self.world.chaos.at_deed(self.world.running())
            try:
                if deed(generation) is not False:
                    self.world.chaos.count(what.partition(" that ")[0])
            except unconfirmed.CannotTell:
                self.world.chaos.count("could not tell")

        life = self.world.life_of(pk)
        self._do(f"somebody {what} life {life.number if life else '?'}", act, life.number if life else None)

    def _do(self, what: str, deed: Callable[[], object], life: int | None = None) -> None:
        self.world.say("people", what, life)
        self.world.spawn("web", deed)

    def _some(self, status: str = "") -> str:
        """The id of some generation, in this status if one is named; mostly empty where few are."""
        where = "WHERE status = ?" if status else "WHERE status IN ('queued', 'submitting', 'running')"
        rows = self.world.rows(
            f"SELECT id FROM generations_generation {where} ORDER BY id", *([status] if status else [])
        )
        return str(self.rng.choice(rows)[0]) if rows else ""

    def _some_credential(self) -> Credential:
        pk = self.rng.choice(self.world.credentials).pk
        return Credential.objects.get(pk=pk)

    def _person(self) -> "User":
        return self.rng.choice(self.world.people_of_team).user
