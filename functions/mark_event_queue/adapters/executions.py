"""Executions of the Express state machine, started synchronously."""

from typing import TYPE_CHECKING

from botocore.config import Config

from mark_event_queue.adapters.aws import AwsError, client_of, name_of
from mark_event_queue.domain.errors import BatchNotDeliveredError, StateMachineUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# The state machine's TimeoutSeconds is 240: the client waits a little longer, the Lambda longer
# still. One attempt: a second one would be a second execution (botocore retries a read time-out).
READ_TIMEOUT_SECONDS = 250
_CONFIG = Config(read_timeout=READ_TIMEOUT_SECONDS, connect_timeout=5, retries={"total_max_attempts": 1})


class Executions:
    """Starts executions of one state machine and waits for their end."""

    def __init__(self, state_machine_arn: str, at_once: int = 1) -> None:
        """Take the machine's ARN, and how many executions wait for their end at the same time."""
        self._arn = state_machine_arn
        self._client: SFNClient = client_of("stepfunctions", _CONFIG.merge(Config(max_pool_connections=at_once)))

    def run(self, name: str, payload: str) -> str:
        """Run one execution with this JSON text as its input; return the JSON text of its output.

        Raises:
            BatchNotDeliveredError: the execution ended, but did not succeed.
            StateMachineUnavailableError: it could not be started, or its answer never came.
        """
        try:
            answer = self._client.start_sync_execution(stateMachineArn=self._arn, name=name, input=payload)
        except AwsError as error:
            raise StateMachineUnavailableError(f"execution {name}: {name_of(error)}") from error
        if answer["status"] != "SUCCEEDED":
            raise BatchNotDeliveredError(f"execution {name} {answer['status']}: {answer.get('error', 'no error name')}")
        return answer.get("output", "")
