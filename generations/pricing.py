"""What a request is going to cost, as far as it is known. Unknown is None, never 0."""

from decimal import Decimal

from generations.providers.fields import Values
from generations.providers.spec import Operation


def estimate_usd(operation: Operation, values: Values) -> Decimal | None:
    """US dollars for the whole request; None where the price or the count is not known."""
    price, count = operation.price(values), operation.meant(values, "count")
    return price.usd * count if price and isinstance(count, int) else None


def in_words(usd: Decimal | None) -> str:
    """For people: `$0.03`, `$0.028` where a cent is too coarse, `price unknown`."""
    if usd is None:
        return "price unknown"
    cents = usd.quantize(Decimal("0.01"))
    return f"${cents}" if cents == usd or usd >= 1 else f"${usd.quantize(Decimal('0.001'))}"
