"""A consumer that forgets that a price may be absent or null."""

import json
from decimal import Decimal
from typing import Any


def price_of(body: str) -> Any:
    """Return the price of a mark, or fail."""
    return Decimal(json.loads(body, parse_float=Decimal)["RegistrationNumber"]["price"])
