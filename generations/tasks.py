"""What the queue calls. Each is a hint, may run twice or never, and claims its row before it does anything."""

import uuid

from django.utils import timezone

from generations import follower, queue
from generations.models import Generation, Status
from generations.services import clock, collecting, keys, readying, weighing


def follow() -> None:
    """One turn of the follower, and the next one behind it."""
    if queue.is_followed(timezone.now()):
        return
    clock.heal()
    queue.enqueue_ready(readying.due_generations(timezone.now()))
    queue.enqueue_collects(collecting.due_images(timezone.now()))
    follower.Turn().run()


def make_ready(generation: str) -> None:
    """Bring a generation's references to its provider."""
    readying.make_ready(uuid.UUID(generation))


def collect(image: str) -> None:
    """Take one picture's next step home."""
    collecting.collect(uuid.UUID(image))


def read_balance(credential: int) -> None:
    """Read what is left on an account."""
    weighing.read(credential)


def sweep() -> None:
    """Ask again for whatever is due: messages may be lost, rows are not."""
    queue.nudge_follower()
    queue.enqueue_ready(readying.due_generations(timezone.now()))
    queue.enqueue_collects(collecting.due_images(timezone.now()))
    for credential in weighing.due_credentials(timezone.now()):
        queue.enqueue_reading(credential)
    for generation in Generation.objects.filter(status=Status.COLLECTING):
        collecting.settle(generation)
    keys.settle_removed()
    queue.forget_failures()


def beat() -> None:
    """Nothing but a sign of life, which every task is that comes to its end: see `queue.note_sign_of_life`."""
