"""A consumer that reads events as typed models."""

from decimal import Decimal

from mark_event_contracts.typed import typed_event


def price_of(body: str) -> Decimal | None:
    """Return the price of a mark, None if it is not known."""
    price: Decimal | None = typed_event(body).RegistrationNumber.price
    return price
