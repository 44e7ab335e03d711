"""What is kept: rows are the truth, queue messages only hints."""

from generations.models.asset import Asset, AssetCopy, Reference
from generations.models.credential import Credential, CredentialAccount, SendingPause, Standing
from generations.models.delivery import Delivery
from generations.models.element import Element
from generations.models.generation import Deletion, Event, Generation, Status
from generations.models.image import Image
from generations.models.ledger import AuditEntry, BalanceReading, Charge
from generations.models.override import Override
from generations.models.pulse import Heartbeat, Lease, Pace
from generations.models.reading import Reading

__all__ = [
    "Asset",
    "AssetCopy",
    "AuditEntry",
    "BalanceReading",
    "Charge",
    "Credential",
    "CredentialAccount",
    "Deletion",
    "Delivery",
    "Element",
    "Event",
    "Generation",
    "Heartbeat",
    "Image",
    "Lease",
    "Override",
    "Pace",
    "Reading",
    "Reference",
    "SendingPause",
    "Standing",
    "Status",
]
