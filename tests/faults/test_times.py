"""How long things may take: what is cut off too early is lost, and what is waited for too long holds up the rest."""

import math
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as ours
from django.utils import timezone
from pytest_django import Settings

from generations.models import Generation
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from generations.services import collecting, common, following, submission, unconfirmed
from klingweb.supervisor import PAID_GRACE
from tests.road import Ask

each_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.slug)
DEFAULT: Any = ours.Q_CLUSTER
FAST: Any = DEFAULT["ALT_CLUSTERS"]["fast"]
STORING = 20  # seconds to check a picture, to make its thumbnails and to write it down


@each_provider
def test_no_task_is_cut_off_before_its_own_deadline(provider: Provider) -> None:
    assert provider.deadlines.download + STORING <= DEFAULT["timeout"] < collecting.LEASE
    assert ours.FOLLOWER_TURN + provider.deadlines.create < FAST["timeout"]
    assert provider.deadlines.create <= PAID_GRACE


@pytest.mark.parametrize("cluster", [DEFAULT, FAST], ids=["default", "fast"])
def test_no_message_is_delivered_again_while_it_waits_for_a_worker(cluster: dict[str, int]) -> None:
    rounds = math.ceil((cluster["queue_limit"] + 1) / cluster["workers"]) + 1
    assert cluster["retry"] > cluster["timeout"] * rounds + 3


@pytest.mark.django_db(transaction=True)
def test_a_paid_request_is_waited_for_only_as_long_as_its_answer_may_come(ask: Ask) -> None:
    assert submission.begin(ask(), "a turn")
    assert submission.count_open() == 1
    over = timezone.now() - timedelta(seconds=PROVIDERS["kling"].deadlines.create + ours.SUBMISSION_GRACE + 1)
    Generation.objects.update(submitted_at=over)
    assert submission.count_open() == 0


@pytest.mark.django_db(transaction=True)
def test_all_waits_and_deadlines_towards_providers_keep_pace(ask: Ask, settings: Settings) -> None:
    generation, now = ask(), timezone.now()

    def times() -> list[timedelta]:
        found = common.deadlines(generation)
        waits = [following.pause(generation, now), unconfirmed.pause(generation, now), common.paced(10)]
        return [*waits, *(timedelta(seconds=each) for each in (found.create, found.query, found.download))]

    usual, retention = times(), common.deadlines(generation).retention
    settings.PACE = 0.5
    assert times() == [each / 2 for each in usual]
    assert common.deadlines(generation).retention == retention
