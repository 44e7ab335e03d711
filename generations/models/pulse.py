"""Signs of life of what runs in the background."""

from django.db import models


class Lease(models.Model):
    """Who may do a thing that only one may do at a time, and until when it is believed to be alive."""

    name = models.CharField(max_length=32, primary_key=True)
    token = models.CharField(max_length=36, blank=True)
    expires_at = models.DateTimeField()
    nudged_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} until {self.expires_at}"


class Heartbeat(models.Model):
    """When a cluster last ran a task."""

    cluster = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.cluster} at {self.at}"
