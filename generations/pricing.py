"""What a request is going to cost, as far as it is known. Unknown is None, never 0."""

from dataclasses import dataclass
from decimal import Decimal

from generations.providers.fields import Values
from generations.providers.spec import Operation


@dataclass(frozen=True)
class Estimate:
    """An amount in the provider's own unit, and in US dollars where that is known."""

    amount: Decimal
    unit: str
    usd: Decimal | None

    def __str__(self) -> str:
        return in_words(self.usd, self.amount, self.unit)


def estimate(operation: Operation, values: Values) -> Estimate | None:
    """What the whole request costs; None where the price or the count is not known."""
    price, count = operation.price(values), operation.named("count")
    if not price or (count and operation.meant(values, "series") is None and not isinstance(values.get(count), int)):
        return None
    pictures = operation.pictures(values)
    return Estimate(price.per_picture * pictures, price.unit, price.usd * pictures if price.usd is not None else None)


def in_words(usd: Decimal | None, amount: Decimal | None = None, unit: str = "") -> str:
    """For people: `$0.03`, `$0.028` where a cent is too coarse, `0.302 credits`, `price unknown`."""
    if usd is None:
        return "price unknown" if amount is None else f"{amount.normalize():,f} {unit}{'' if amount == 1 else 's'}"
    cents = usd.quantize(Decimal("0.01"))
    return f"${cents}" if cents == usd or usd >= 1 else f"${usd.quantize(Decimal('0.001'))}"
