"""`manage.py qcluster`: one queue cluster, as django-q2 has it, only smaller."""

import gc
from typing import Any

from django.core.management import call_command, load_command_class
from django.core.management.base import BaseCommand

import generations.tasks  # noqa: F401 - what its processes need is shared by them if it is here before they fork


class Command(BaseCommand):
    """Two of the three programs that `serve` runs together."""

    help = "Run one queue cluster until SIGTERM: the default one, or the one that Q_CLUSTER_NAME names."

    def handle(self, **_options: Any) -> None:
        gc.collect()
        gc.freeze()  # a collection writes to all that it looks at, and each process would get a copy of its own
        call_command(load_command_class("django_q", "qcluster"))
