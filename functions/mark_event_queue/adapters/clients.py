"""The clients, as Systems Manager parameters `<path>/<name>` hold them: `{"queueUrl": "...", …}`."""

import time
from collections.abc import Callable
from typing import Any

from mark_event_queue.adapters.aws import AwsError, client_of
from mark_event_queue.domain.clients import Admission, Client, Registration, Subscription, admit
from mark_event_queue.domain.errors import ClientsUnavailableError, UnknownClientError


class Clients:
    """The registered clients, cached for so many seconds."""

    def __init__(
        self,
        path: str,
        on_unserved: Callable[[Admission], None],
        cache_seconds: int = 5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the parameter path, and whom to tell, after every reading, if somebody who registered gets nothing."""
        self._path = path
        self._cache_seconds = cache_seconds
        self._on_unserved = on_unserved
        self._clock = clock
        self._ssm = client_of("ssm")
        self._expires = float("-inf")
        self._admission = Admission()

    def registered(self) -> list[Client]:
        """Return the clients that are served, by name.

        Raises:
            ClientsUnavailableError: the parameters cannot be read.
        """
        return self.admission().clients

    def subscription(self, name: str, fresh: bool = False) -> Subscription | None:
        """Return what a client's registration says, nothing if it is not served; `fresh`: at this moment.

        Raises:
            ClientsUnavailableError: the parameters cannot be read.
        """
        return self.admission(fresh).subscriptions.get(name)

    def demand(self, name: str) -> Subscription:
        """Return what a client's registration says.

        Raises:
            UnknownClientError: no client of this name is registered, or not in a way that it is served.
            ClientsUnavailableError: the parameters cannot be read.
        """
        self.queue_url(name)
        return self.admission().subscriptions[name]

    def admission(self, fresh: bool = False) -> Admission:
        """Return who is served, and who is not and why; `fresh`: at this moment.

        Raises:
            ClientsUnavailableError: the parameters cannot be read.
        """
        if fresh or self._clock() >= self._expires:
            try:
                read = {one.name: one for one in registrations(self._ssm, self._path)}
            except AwsError as error:
                raise ClientsUnavailableError(f"the parameters under {self._path} cannot be read") from error
            self._admission, self._expires = admit(read.values()), self._clock() + self._cache_seconds
            if self._admission.malformed or self._admission.crowded_out:
                self._on_unserved(self._admission)
        return self._admission

    def queue_url(self, name: str, needed: bool = True) -> str:
        """Return the queue of one client; of one that has unsubscribed nothing, if it is not needed.

        Raises:
            UnknownClientError: no client of this name is registered, or not in a way that it is served.
            ClientsUnavailableError: the parameters cannot be read.
        """
        admission = self.admission()
        urls = {client["name"]: client["queueUrl"] for client in admission.clients}
        if needed and name not in urls:
            problem = admission.problem(name)
            raise UnknownClientError(
                f"client {name!r} is not served: its registration under {self._path} {problem}"
                if problem
                else f"no client {name!r} is registered under {self._path}, only {sorted(urls)}"
            )
        return urls.get(name, "")


def registrations(ssm: Any, path: str) -> list[Registration]:
    """Return every parameter under the path, however deep, as a client of Systems Manager reads it."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    return [_registration(path, parameter) for page in pages for parameter in page["Parameters"]]


def _registration(path: str, parameter: Any) -> Registration:
    # In "arn:aws:ssm:<region>:<account>:parameter/…" the parameter says where a queue has to be, too.
    _, _, _, region, account, _ = parameter["ARN"].split(":", 5)
    name = parameter["Name"].removeprefix(f"{path}/")
    return Registration(name, parameter["Type"], parameter["Value"], parameter["LastModifiedDate"], region, account)
