"""A thing of a provider's own library that pictures can be asked to contain."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from generations.models.asset import Asset
from klingweb.accounts.models import Team


class Element(models.Model):
    """An element of the provider's library under a name, so that nobody in the team has to know its number.

    `element_id` is the provider's number for it, as text; `asset` shows what it is.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="elements")
    provider = models.SlugField(max_length=32)
    element_id = models.CharField(max_length=18)
    name = models.CharField(max_length=80)
    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, null=True, related_name="elements")
    created = models.DateTimeField(default=timezone.now, editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["team", "provider", "element_id"], name="one_name_per_element"),
        ]

    def __str__(self) -> str:
        return self.name
