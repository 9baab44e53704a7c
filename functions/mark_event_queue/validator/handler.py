"""Entry point of the validator function: wiring only."""

from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from mark_event_queue.adapters.settings import required
from mark_event_queue.domain.contract import load
from mark_event_queue.validator.validation import validate

logger = Logger()
metrics = Metrics()
contract = load(Path(required("SCHEMAS_FOLDER")))


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Validate the batch of an execution's input; answer with its lanes and its rejected events."""
    answer = validate(event["batch"]["events"], event["clients"], contract)
    for rejected in answer["rejected"]:
        logger.warning("rejected", event_id=rejected["MessageDeduplicationId"], violations=rejected["Violations"])
    metrics.add_metric("EventsRejected", MetricUnit.Count, answer["counts"]["rejected"])
    return answer
