"""Settings from the environment, read once, at cold start."""

import os

from mark_event_queue.domain.errors import SettingsError


def required(name: str) -> str:
    """Return an environment variable that the function cannot do without.

    Raises:
        SettingsError: it is missing or empty.
    """
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"environment variable {name} is not set; template.yaml sets it for every function")
    return value
