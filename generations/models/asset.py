"""A picture that a person chose as a reference, and the form in which a provider gets it."""

import uuid
from pathlib import PurePath

from django.conf import settings
from django.db import models
from django.utils import timezone

from generations.models.credential import Credential
from generations.models.generation import Generation
from klingweb.accounts.models import Team


class Asset(models.Model):
    """A reference image, kept once per team and content. Its files never change; they exist before the row does.

    `name` is what the file was called; `said` tells the person what was changed on arrival, and is mostly empty.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="assets")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="assets")
    name = models.CharField(max_length=120)
    said = models.CharField(max_length=300, blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    file = models.CharField(max_length=200)
    media_type = models.CharField(max_length=32)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()

    class Meta:
        ordering = ["-created"]
        constraints = [models.UniqueConstraint(fields=["team", "sha256"], name="one_asset_per_content")]

    def __str__(self) -> str:
        return self.name

    @property
    def file_name(self) -> str:
        """What a download is called: the person's name for it, with the ending of what it is now."""
        return f"{PurePath(self.name).stem}{PurePath(self.file).suffix}"


class AssetCopy(models.Model):
    """An asset as a provider gets it: a file whose bytes go along with the request, or an address where it lies.

    It belongs to a credential and, where the provider has several behind one credential, to an account. A copy without
    `expires_at` stays good. `faces` are those that the provider found in the picture, None where it was not asked.
    """

    asset = models.ForeignKey(Asset, on_delete=models.CASCADE, related_name="copies")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="copies")
    account = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    file = models.CharField(max_length=200, blank=True)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    created = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    faces = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["created"]
        verbose_name_plural = "asset copies"
        constraints = [
            models.UniqueConstraint(fields=["asset", "credential", "account"], name="one_copy_per_account"),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} for {self.credential_id}"


class Reference(models.Model):
    """That a generation uses an asset for one of its fields. `copy` is what goes to the provider, once it is ready."""

    generation = models.ForeignKey(Generation, on_delete=models.CASCADE, related_name="references")
    field = models.CharField(max_length=40)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="references")
    copy = models.ForeignKey(AssetCopy, on_delete=models.SET_NULL, null=True, related_name="references")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["generation", "field"], name="one_reference_per_field")]

    def __str__(self) -> str:
        return f"{self.field} of {self.generation_id}"
