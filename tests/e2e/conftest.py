"""The real template, deployed once per run by the SAM CLI onto an engine of its own."""

from collections.abc import Iterator

import pytest

from local.session import Session, deployed


@pytest.fixture(scope="session")
def stack() -> Iterator[Session]:
    """The pipeline with three clients: the original one and two that subscribed by client.yaml."""
    with deployed("Insurer", "Police") as session:
        yield session


@pytest.fixture(autouse=True)
def empty_queues(stack: Session) -> None:
    """Every test starts with empty queues, whatever ran before it."""
    sqs = stack.engine.client("sqs")
    for url in stack.queues.values():
        sqs.purge_queue(QueueUrl=url)
