"""Instants as events have them: nine fraction digits, which a datetime does not keep, compared as instants."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_PRINTED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.]((?:\d{3}){1,3}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 9
_SECOND = 1_000_000_000


@dataclass(frozen=True, order=True, slots=True)
class Instant:
    """An instant in UTC, as its text says it; equal to another of the same time, however many digits that has.

    Raises:
        ValueError: the text is no instant as events have them.
    """

    text: str = field(compare=False)
    nanoseconds: int = field(init=False, repr=False)
    """Nanoseconds since 1970-01-01T00:00:00Z; below nothing before it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "nanoseconds", _nanoseconds(self.text))

    def __str__(self) -> str:
        """Return the text, as it came."""
        return self.text

    def as_datetime(self) -> datetime:
        """Return the instant cut to microseconds, which is all that a datetime can hold."""
        return _EPOCH + timedelta(microseconds=self.nanoseconds // 1_000)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Tell pydantic how to read an instant from a text, and how to write it."""
        from pydantic_core import core_schema  # noqa: PLC0415 (instants are of use without pydantic, too)

        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema(strict=True))
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


def _nanoseconds(text: str) -> int:
    try:
        second, fraction = _PRINTED.fullmatch(text).groups(default="")  # type: ignore[union-attr]
        since = datetime.fromisoformat(f"{second}+00:00") - _EPOCH
    except (AttributeError, TypeError, ValueError):
        raise ValueError("this is no instant as events have them, like 2026-01-31T09:30:00.123Z") from None
    return since // timedelta(seconds=1) * _SECOND + int(fraction.ljust(_DIGITS, "0"))
