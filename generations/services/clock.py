"""A clock that was set back leaves moments in the future, for which nobody should wait."""

import logging

from django.utils import timezone

from generations import queue
from generations.lifecycle import TERMINAL
from generations.models import Generation, Image
from generations.services.common import paced

log = logging.getLogger(__name__)

FURTHEST = 2 * 3600  # seconds; nothing is ever put off for longer


def heal() -> None:
    """Have everything be due that is put off for longer than it could have been."""
    now = timezone.now()
    for rows in (Generation.objects.exclude(status__in=TERMINAL), Image.objects.filter(state__in=Image.ON_ITS_WAY)):
        if healed := rows.filter(due_at__gt=now + paced(FURTHEST)).update(due_at=now):
            log.warning("The clock was set back: %s rows are due again", healed)
    queue.heal_schedules()
