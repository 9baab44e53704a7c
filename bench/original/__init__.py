"""The original application's pattern on the same engine: one event per invocation, one message per event and client.

As there, every message is of the group `mark-event`, so one event follows the other through the second function.
"""

from pathlib import Path
from typing import NamedTuple

from bench.rig import Rig
from local import stack

STACK = "original"


class Original(NamedTuple):
    """The deployed pattern; its stream waits until it is told to go."""

    stream_function: str
    queues: list[str]


def deploy(rig: Rig, clients: int, log_lines: bool) -> Original:
    """Deploy the pattern with so many clients, or deploy it anew."""
    sqs = rig.engine.client("sqs")
    queues = [
        sqs.create_queue(QueueName=f"OriginalClient{number}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        for number in range(clients)
    ]
    outputs = stack.deploy(
        rig.engine,
        Path(__file__).with_name("template.yaml"),
        STACK,
        ClientQueueUrls=",".join(queues),
        LogLines=str(log_lines).lower(),
        **stack.THIS_MACHINE,
    )
    return Original(outputs["StreamFunctionName"], queues)
