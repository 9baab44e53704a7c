"""Starts the redrive state machine and tells what came of it."""

import json
import time
from typing import Any

from meq.stack import Stack

Outcome = tuple[list[str], bool]


def start(stack: Stack, asked: dict[str, Any]) -> str:
    """Start a redrive with this input; return the execution's ARN."""
    machine = stack.client("stepfunctions")
    arn = machine.start_execution(stateMachineArn=stack.outputs["RedriveStateMachineArn"], input=json.dumps(asked))
    return str(arn["executionArn"])


def wait(stack: Stack, execution_arn: str) -> Outcome:
    """Wait for the end of a redrive; return what it says, and whether nothing went wrong."""
    machine = stack.client("stepfunctions")
    while (ended := machine.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        time.sleep(0.5)
    if ended["status"] != "SUCCEEDED":
        return [f"{ended['status']}: {ended.get('error', '')} {ended.get('cause', '')}", execution_arn], False
    output = json.loads(ended["output"])
    return [json.dumps(output, indent=2)], not output.get("errors")
