"""The clients' queues in SQS, as a redrive sends to them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.config import Config

from mark_event_queue.adapters.aws import AwsError, client_of, name_of
from mark_event_queue.domain.rounds import Entry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})


class ClientQueues:
    """Sends waves of parked events to queues."""

    def __init__(self) -> None:
        self._client: SQSClient = client_of("sqs", _CONFIG)

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Send a wave; return the names of the errors by Id of those entries that were not accepted.

        A call that fails refuses all of its entries. Nothing is raised: what was not accepted stays parked.
        """
        entries = list(wave)
        try:
            answer = self._client.send_message_batch(QueueUrl=queue_url, Entries=entries)  # type: ignore[arg-type]
        except AwsError as error:
            return {entry["Id"]: name_of(error) for entry in entries}
        return {failed["Id"]: failed["Code"] for failed in answer.get("Failed", [])}
