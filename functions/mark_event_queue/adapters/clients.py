"""The clients, as Systems Manager parameters `<path>/<name>` hold them: `{"queueUrl": "..."}`."""

import json
import re
from collections.abc import Callable
from typing import Any

import boto3
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from mark_event_queue.domain.errors import ClientsUnavailableError, UnknownClientError

CACHE_SECONDS = 60

# The queue names that the state machine's role may send to; see template.yaml.
_QUEUE_URL = re.compile(r"https?://\S+/MarkFanOutClient[A-Za-z0-9_-]*\.fifo\Z")

# Every registration takes room in the states of every execution: one that is longer than any queue
# URL or sensible name must not leave the others' events without it (domain/budget.py).
_LONGEST_QUEUE_URL = 256
_LONGEST_NAME = 100

Client = dict[str, Any]


class Clients:
    """The registered clients, cached for `CACHE_SECONDS`."""

    def __init__(self, path: str, on_malformed: Callable[[str, str], None]) -> None:
        """Take the parameter path, and whom to tell (client name, reason) of a malformed registration."""
        self._path = path
        self._on_malformed = on_malformed
        self._parameters = SSMProvider(boto3_client=boto3.client("ssm"))  # of its own it would make a session, too

    def registered(self) -> list[Client]:
        """Return the clients by name; one whose registration makes no sense is left out and told of.

        Raises:
            ClientsUnavailableError: the parameters cannot be read.
        """
        try:
            values = self._parameters.get_multiple(self._path, max_age=CACHE_SECONDS)
        except GetParameterError as error:
            raise ClientsUnavailableError(f"the parameters under {self._path} cannot be read") from error
        parsed = [(name, *_parse(name, value)) for name, value in sorted((values or {}).items())]
        for name, _, problem in parsed:
            if problem:
                self._on_malformed(name, problem)
        return [{"name": name, "queueUrl": queue_url} for name, queue_url, problem in parsed if not problem]

    def queue_url(self, name: str, needed: bool = True) -> str:
        """Return the queue of one client; of one that has unsubscribed nothing, if it is not needed.

        Raises:
            UnknownClientError: no client of this name is registered, or not in a way that makes sense.
            ClientsUnavailableError: the parameters cannot be read.
        """
        urls = {client["name"]: client["queueUrl"] for client in self.registered()}
        if needed and name not in urls:
            raise UnknownClientError(f"no client {name!r} is registered under {self._path}, only {sorted(urls)}")
        return str(urls.get(name, ""))


def _parse(name: str, value: Any) -> tuple[str, str]:
    """Return the queue URL of a registration, and what is wrong with it."""
    if len(name) > _LONGEST_NAME:
        return "", f"has a name of more than {_LONGEST_NAME} characters"
    try:
        registration = json.loads(value)
    except (ValueError, RecursionError):
        return "", "is not JSON"
    queue_url = registration.get("queueUrl") if isinstance(registration, dict) else None
    if not isinstance(queue_url, str):
        return "", 'has no text "queueUrl"'
    if len(queue_url) > _LONGEST_QUEUE_URL or not _QUEUE_URL.match(queue_url):
        return "", "names no queue that matches MarkFanOutClient*.fifo"
    return queue_url, ""
