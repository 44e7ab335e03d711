"""What is kept: rows are the truth, queue messages only hints."""

from generations.models.asset import Asset, AssetCopy, Reference
from generations.models.credential import Credential, SendingPause, ShownModel, Standing
from generations.models.generation import Deletion, Event, Generation, Status
from generations.models.image import Image
from generations.models.pulse import Heartbeat, Lease

__all__ = [
    "Asset",
    "AssetCopy",
    "Credential",
    "Deletion",
    "Event",
    "Generation",
    "Heartbeat",
    "Image",
    "Lease",
    "Reference",
    "SendingPause",
    "ShownModel",
    "Standing",
    "Status",
]
