"""The bucket of stream records that could not be delivered in time."""

from botocore.config import Config

from mark_event_queue.adapters.aws import client_of

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})


class UndeliveredRecords:
    """Objects in S3, one per invocation of the converter that the stream gave up."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket
        self._client = client_of("s3", _CONFIG)

    def count(self) -> int:
        """Return how many objects wait for a replay; up to a thousand, which is as alarming as more."""
        return int(self._client.list_objects_v2(Bucket=self._bucket)["KeyCount"])
