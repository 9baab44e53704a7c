"""A deployed stack of this application, found by its name."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from meq.errors import OperatorError
from meq.text import listed, near, safe

_OF_THIS_APPLICATION = {"StateMachineArn", "ClientsPath", "RedriveStateMachineArn"}


class Clients(Protocol):
    """What makes clients of services, as a boto3 session does."""

    def client(self, service: str, **options: Any) -> Any:
        """Return a client of a service."""


class Stack:
    """The stack's outputs, and clients of the services it uses: those of boto3's default session unless given."""

    def __init__(self, name: str, clients: Clients | None = None) -> None:
        self.name = name
        self._clients: Any = clients or boto3

    def client(self, service: str, **options: Any) -> Any:
        """Return a client of a service where the stack is.

        Raises:
            OperatorError: the endpoint that the environment names is none.
        """
        try:
            return self._clients.client(service, **options)
        except ValueError as error:  # botocore's word for AWS_ENDPOINT_URL=nonsense
            raise OperatorError(safe(str(error))) from error

    def output(self, name: str) -> str:
        """Return an output of the stack.

        Raises:
            OperatorError: there is no such stack, it is not of this application, or of another version of it.
        """
        if name not in self._outputs:
            raise OperatorError(
                f"The stack {safe(self.name)} has no output {name}: it is of another version of this application.\n"
                "Deploy this version, or use the meq of that one."
            )
        return self._outputs[name]

    @cached_property
    def _outputs(self) -> dict[str, str]:
        try:
            (found,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise OperatorError(f"There is no stack {safe(self.name)} here.{self._others()}") from error
        outputs = _outputs_of(found)
        if missing := _OF_THIS_APPLICATION - outputs.keys():
            raise OperatorError(
                f"The stack {safe(self.name)} ({found['StackStatus']}) is not of this application, or not deployed yet:"
                f" it has no output {listed(missing)}.{self._others()}"
            )
        return outputs

    def _others(self) -> str:
        names = list(self._names())
        if not names:
            return "\nOf this application there is none: another --region or --profile?"
        return f"{near(self.name, names)}\nOf this application there are: {listed(names)}. Choose by --stack."

    def _names(self) -> Iterator[str]:
        for page in self.client("cloudformation").get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                if _outputs_of(stack).keys() >= _OF_THIS_APPLICATION:
                    yield stack["StackName"]


def _outputs_of(stack: dict[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
