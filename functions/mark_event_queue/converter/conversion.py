"""What the converter does with one invocation, apart from talking to AWS."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mark_event_queue.domain.batches import LIVE, Batch, input_of, pack
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.errors import BatchNotDeliveredError, StateMachineUnavailableError

Failures = dict[str, list[dict[str, str]]]


def deliver(
    records: Sequence[Mapping[str, Any]],
    subscriptions: Collection[Subscription],
    run: Callable[[Batch, str], None],
    has_time: Callable[[], bool],
    on_stop: Callable[[Batch, str], None],
) -> Failures:
    """Run one execution per batch, one after another, and stop at the first that did not succeed.

    The answer names the first record of that batch, so that the stream brings it and everything
    after it again (Lambda Developer Guide, ReportBatchItemFailures: the lowest sequence number is
    the checkpoint). A batch that there is no time for is reported in the same way.

    Raises:
        BatchNotDeliveredError, StateMachineUnavailableError: the very first record was not
            delivered: for the stream the same as naming it, and plain to every engine.
    """
    room = budget([one.as_client() for one in subscriptions])
    for position, batch in enumerate(pack(records, room)):
        try:
            if position and not has_time():
                raise BatchNotDeliveredError("no time left in this invocation")
            run(batch, input_of(batch, batch.receivers(subscriptions), datetime.now(UTC), LIVE))
        except (BatchNotDeliveredError, StateMachineUnavailableError) as error:
            on_stop(batch, str(error))
            if not position:
                raise
            return {"batchItemFailures": [{"itemIdentifier": batch.checkpoint}]}
    return {"batchItemFailures": []}
