"""What the log of an Express machine says of its executions, asked by CloudWatch Logs Insights.

Logs Insights discovers the fields of JSON in log groups of the class Standard only (CloudWatch Logs User Guide,
*Supported logs and discovered fields*). So the queries know `@message` and `@timestamp` alone, and parse the rest.
They answer with the fields that a path is made of: with LogExecutionData=true messages hold personal data.
"""

import time
from collections.abc import Callable
from datetime import datetime

from meq.errors import OperatorError
from meq.stack import Stack

MOST = 10_000
"""The most that a query answers (CloudWatch Logs API Reference, StartQuery)."""

_PATIENCE_SECONDS = 30
_POLL_SECONDS = 0.5
_UNDER_WAY = ("Scheduled", "Running")
_FIELDS = {
    "runArn": "execution_arn",
    "eventNumber": "id",
    "eventBefore": "previous_event_id",
    "eventKind": "type",
    "eventMilliseconds": "event_timestamp",
    "stateName": "name",
    "errorName": "error",
}
"""What an answer's fields are called, and how the log calls them; a discovered field must not be parsed anew."""

# Within what an execution carries quotation marks are escaped, so that nothing there looks like these.
_PARSED = " | ".join(rf'parse @message /"{name}":\s*"(?<{field}>[^"]*)"/' for field, name in _FIELDS.items())
_ENDS_AND_ERRORS = r'@message like /"type":\s*"Execution/ or @message like /"error":\s*"/'

Row = dict[str, str]


class Log:
    """The log of a machine."""

    def __init__(self, stack: Stack, group: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._logs, self._group, self._sleep = stack.client("logs"), group, sleep

    def of_one(self, arn: str, since: datetime, until: datetime) -> list[Row]:
        """Return what is logged of an execution, the latest first."""
        return self._ask(f'filter @message like "{arn}" | {_PARSED} | filter runArn = "{arn}"', MOST, since, until)

    def of_all(self, since: datetime, until: datetime, most: int) -> list[Row]:
        """Return of all executions when they started and ended, and the errors in them, the latest first."""
        return self._ask(f"filter {_ENDS_AND_ERRORS} | {_PARSED}", most, since, until)

    def _ask(self, which: str, most: int, since: datetime, until: datetime) -> list[Row]:
        query = self._logs.start_query(
            logGroupName=self._group,
            startTime=int(since.timestamp()),
            endTime=int(until.timestamp()) + 1,
            queryString=f"{which} | sort @timestamp desc | limit {most} | display {', '.join(_FIELDS)}",
        )["queryId"]
        for _ in range(int(_PATIENCE_SECONDS / _POLL_SECONDS)):
            answer = self._logs.get_query_results(queryId=query)
            if answer["status"] not in _UNDER_WAY:
                break
            self._sleep(_POLL_SECONDS)
        else:
            self._logs.stop_query(queryId=query)
            raise OperatorError(
                f"The log of the state machine has not answered for {_PATIENCE_SECONDS} s: the query is stopped."
            )
        if answer["status"] != "Complete":
            raise OperatorError(f"The log of the state machine does not answer: the query is {answer['status']}.")
        return [{one["field"]: one["value"] for one in row} for row in answer["results"]]
