"""A consumer that forgets decimals: it reads prices as floats, as JSON readers do unless told otherwise."""

import json
from typing import Any


def price_of(body: str) -> Any:
    """Return the price of a mark, rounded to a double."""
    return json.loads(body)["RegistrationNumber"].get("price")
