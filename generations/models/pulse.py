"""Signs of life of what runs in the background, and how long providers take."""

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


class Pace(models.Model):
    """How many seconds the last requests for a model took, from the POST until we knew that they were done."""

    provider = models.SlugField(max_length=32)
    operation = models.SlugField(max_length=32)
    model_name = models.CharField(max_length=64, blank=True)
    seconds = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "operation", "model_name"], name="one_pace")]

    def __str__(self) -> str:
        return f"{self.provider} {self.operation} {self.model_name}"
