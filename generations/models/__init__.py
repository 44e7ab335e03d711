"""What is kept: rows are the truth, queue messages only hints."""

from generations.models.credential import Credential
from generations.models.generation import Event, Generation, Status
from generations.models.image import Image
from generations.models.pulse import Heartbeat, Lease

__all__ = ["Credential", "Event", "Generation", "Heartbeat", "Image", "Lease", "Status"]
