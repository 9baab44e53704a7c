"""A deployed stack, found by its name with the credentials of the environment."""

from functools import cached_property
from typing import Any, Protocol

import boto3


class Clients(Protocol):
    """What makes clients of services, as a boto3 session does."""

    def client(self, service: str, **options: Any) -> Any:
        """Return a client of a service."""


class Stack:
    """The stack's outputs, and clients of the services it uses."""

    def __init__(self, name: str, clients: Clients | None = None) -> None:
        self._name = name
        self._clients: Any = clients or boto3.Session()

    def client(self, service: str, **options: Any) -> Any:
        """Return a client of a service where the stack is."""
        return self._clients.client(service, **options)

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The outputs of the stack by name."""
        (found,) = self.client("cloudformation").describe_stacks(StackName=self._name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
