"""Settings from the environment, read once, at cold start."""

import os
from enum import StrEnum
from typing import TypeVar

from mark_event_queue.domain.errors import SettingsError

Choice = TypeVar("Choice", bound=StrEnum)


def required(name: str) -> str:
    """Return an environment variable that the function cannot do without.

    Raises:
        SettingsError: it is missing or empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"environment variable {name} is not set; template.yaml sets it for every function")
    return value


def one_of(choices: type[Choice], value: str) -> Choice:
    """Return the choice that the value of a setting names.

    Raises:
        SettingsError: it names none.
    """
    try:
        return choices(value)
    except ValueError:
        raise SettingsError(f"{value!r} is none of {', '.join(choices)}; template.yaml says which setting") from None
