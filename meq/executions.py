"""Executions of the stack's Standard state machines: starts them, and says why one failed."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from meq.stack import Stack
from meq.text import safe

RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"

DRY_RUN = "meq-dry-run-"
"""What the name of an execution begins with that is to change nothing, so that a list of executions tells."""


def start(stack: Stack, machine: str, given: Mapping[str, Any]) -> str:
    """Start the state machine whose ARN this output of the stack is; return the execution's ARN."""
    kind = DRY_RUN if given.get("dryRun") else "meq-"
    answer = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.output(machine),
        name=f"{kind}{uuid4()}",  # so that a start that the SDK repeats is one execution
        input=json.dumps(given),
    )
    return str(answer["executionArn"])


def problem_of(described: Mapping[str, Any]) -> str:
    """Return why an execution did not succeed."""
    return f"{described.get('error', described['status'])}: {_message(described.get('cause', ''))}"


def _message(cause: str) -> str:
    """Return the message in the cause that Step Functions gives: of a function's error it is JSON, with a traceback."""
    try:
        return safe(str(json.loads(cause)["errorMessage"]))
    except (ValueError, TypeError, KeyError):
        return safe(cause)
