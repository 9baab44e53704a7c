"""The queues of a stack as the console shows them: how much is in each, and how long the oldest message has waited."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from meq.errors import KNOWN, explain
from meq.stack import Stack

_SIDE_BY_SIDE = 8
_WAITING, _IN_HAND = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
_MISSING = ("QueueDoesNotExist", "NonExistentQueue")  # in either name that SQS has for it
_METRIC_QUERIES = 500  # CloudWatch API Reference, GetMetricData: the most of one call
_METRIC_SECONDS = 60  # a metric of SQS has a value a minute, and each look is billed


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds, and how many a reader has in hand; or why that is not known."""

    waiting: int = 0
    in_hand: int = 0
    problem: str = ""
    missing: bool = False
    """Whether there is no such queue, so that nothing can be delivered."""

    def __str__(self) -> str:
        if self.problem:
            return "not known"
        return f"{self.waiting} + {self.in_hand} in hand" if self.in_hand else str(self.waiting)

    @property
    def is_empty(self) -> bool:
        """Whether it is known that nothing is in the queue."""
        return not (self.problem or self.waiting or self.in_hand)


def depths(stack: Stack, queues: Mapping[str, str | None]) -> dict[str, Depth]:
    """Return the depths of queues by name; one without an address is the fan-out queue."""
    sqs, fan_out = stack.client("sqs"), stack.output("QueueName")

    def ask(url: str | None) -> Depth:
        try:
            url = url or sqs.get_queue_url(QueueName=fan_out)["QueueUrl"]
            names = [_WAITING, _IN_HAND]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        except KNOWN as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            return Depth(problem=explain(error), missing=any(name in code for name in _MISSING))
        return Depth(int(told.get(_WAITING, 0)), int(told.get(_IN_HAND, 0)))

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return dict(zip(queues, pool.map(ask, queues.values()), strict=True))


class Ages:
    """How long the oldest message of each queue has waited, where CloudWatch tells; asked anew after a minute."""

    def __init__(self, stack: Stack, clock: Callable[[], float] = time.monotonic) -> None:
        self._stack, self._clock = stack, clock
        self._asking = threading.Lock()
        self._told: dict[str, float] = {}
        self._asked: set[str] = set()
        self._asked_at = 0.0

    def of(self, urls: Iterable[str]) -> dict[str, float]:
        """Return the ages in seconds by the addresses of the queues."""
        wanted = set(urls)
        with self._asking:
            if not wanted <= self._asked or self._clock() - self._asked_at > _METRIC_SECONDS:
                self._told, self._asked, self._asked_at = self._ask(sorted(wanted)), wanted, self._clock()
            return self._told

    def _ask(self, urls: Sequence[str]) -> dict[str, float]:
        now = datetime.now(UTC)
        found: dict[str, float] = {}
        try:
            for start in range(0, len(urls), _METRIC_QUERIES):
                some = urls[start : start + _METRIC_QUERIES]
                answer = self._stack.client("cloudwatch").get_metric_data(
                    MetricDataQueries=_queries(some), StartTime=now - timedelta(minutes=15), EndTime=now
                )
                for one in answer["MetricDataResults"]:
                    if one["Values"]:
                        found[some[int(one["Id"].removeprefix("q"))]] = one["Values"][0]
        except KNOWN:
            return found  # whoever may not read metrics sees all but the ages
        return found


def _queries(urls: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SQS",
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": url.rsplit("/", 1)[-1]}],
                },
                "Period": 60,
                "Stat": "Maximum",
            },
        }
        for number, url in enumerate(urls)
    ]
