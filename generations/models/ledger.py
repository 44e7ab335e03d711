"""What requests cost, and who did what. Both outlive the generation that they are about."""

from typing import Any, NoReturn

from django.conf import settings
from django.db import models
from django.utils import timezone

from generations.models.credential import Credential
from klingweb.accounts.models import Team


class Charge(models.Model):
    """The money of one generation: reserved when it is asked for, then settled or released, once.

    Amounts are in the provider's own `unit`, and in US dollars where that is known; None is unknown, never nothing.
    `told` says that the provider named the settled amount itself; else it is the price of the pictures that were made.
    """

    class State(models.TextChoices):
        """Where the money is."""

        RESERVED = "reserved"
        SETTLED = "settled"
        RELEASED = "released"

    generation_id = models.UUIDField(unique=True)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="charges")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="charges")
    operation = models.SlugField(max_length=32)
    model_name = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RESERVED)
    at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    unit = models.CharField(max_length=16, blank=True)
    reserved = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    reserved_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    settled = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    settled_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    pictures = models.PositiveSmallIntegerField(default=0)
    told = models.BooleanField(default=False)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["team", "state", "at"], name="charge_of_team")]

    def __str__(self) -> str:
        return f"{self.generation_id} {self.state}"


class BalanceReading(models.Model):
    """What was left on a credential's account at a moment, in the provider's own unit."""

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField(default=timezone.now)
    left = models.DecimalField(max_digits=20, decimal_places=6)

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["credential", "at"], name="reading_of_credential")]

    def __str__(self) -> str:
        return f"{self.left} at {self.at}"


class AppendOnly(models.QuerySet["AuditEntry"]):
    """Rows are added, and never changed or removed."""

    def update(self, **_: Any) -> NoReturn:
        raise TypeError("The audit log is not changed.")

    def delete(self) -> NoReturn:
        raise TypeError("The audit log is not changed.")


class AuditEntry(models.Model):
    """That somebody did something: `verb` in one or two words, `subject` what it was done to, `said` a sentence."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="audit")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    verb = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    said = models.CharField(max_length=300, blank=True)

    objects = AppendOnly.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["team", "-at"], name="audit_of_team")]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever once. Raises TypeError for a row that is there already."""
        if not self._state.adding:
            raise TypeError("The audit log is not changed.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Never. Raises TypeError."""
        raise TypeError("The audit log is not changed.")
