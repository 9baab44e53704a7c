"""What the typed models are made of: parts that cannot be changed, and numbers that are never rounded."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _not_rounded(number: Any) -> Any:
    if isinstance(number, float):
        raise ValueError("a float has lost digits: read the text by typed_event, or give a Decimal")
    return number


Number = Annotated[Decimal, BeforeValidator(_not_rounded)]
"""A number with all its digits. Python's and pydantic's readers of JSON make floats of it, which are refused."""


class Exact(BaseModel):
    """A part of an event; it keeps properties that nobody knows yet, and its errors do not tell values."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
