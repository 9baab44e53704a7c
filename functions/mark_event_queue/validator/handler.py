"""Entry point of the validator function: wiring only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from mark_event_queue.adapters.settings import one_of, required
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.rejected import RejectedEvents
from mark_event_queue.validator.validation import summary, validate

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()
contracts = load(Path(required("SCHEMAS_FOLDER")))
rejected_events = one_of(RejectedEvents, required("REJECTED_EVENTS"))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Validate the batch of an execution's input; answer with the plan of what goes on and what is withheld."""
    answer = validate(event["batch"], event["clients"], contracts, rejected_events.hold_marks)
    for told in summary(answer["withheld"]):
        logger.warning("withheld", **told)
    metrics.add_metric("EventsRejected", MetricUnit.Count, answer["counts"]["rejected"])
    return answer
