"""The stack as demo, `make up` and the end-to-end tests run it: engine, mark-api's stand-in, pipeline, clients."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from local import engine, stack
from local.engine import Engine
from local.inspection import Executions
from local.marks import Item, put_in_batches
from local.queues import until
from meq.stack import Stack


@dataclass(frozen=True)
class Session:
    """A deployed stack."""

    engine: Engine
    outputs: dict[str, str]
    queues: dict[str, str]
    """Queue URLs by client name, the fan-out queue's under "fan-out"."""
    executions: Executions
    operated: Stack
    """The same stack as operators see it."""

    def deliver(self, items: Sequence[Item]) -> None:
        """Put events into the table and wait until successful executions have carried them all."""
        expected = self.executions.handled() + len(items)
        put_in_batches(self.engine, items)
        until(lambda: self.executions.handled() >= expected, f"{len(items)} events to be handled", 120)

    def forget_registrations(self) -> None:
        """Give the converter a fresh environment: one keeps the registrations that it has read for a minute."""
        functions, name = self.engine.client("lambda"), self.outputs["ConverterFunctionName"]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        renewed = variables | {"RENEWED": str(time.time_ns())}
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": renewed})


@contextmanager
def deployed(*clients: str, progress: bool = False, module: str = engine.MODULE, **settings: str) -> Iterator[Session]:
    """Run the stack with the original client and further ones for the length of the context."""
    started = time.monotonic()

    def tell(text: str) -> None:
        if progress:
            print(f"  {time.monotonic() - started:5.1f} s  {text}", flush=True)

    with ThreadPoolExecutor() as pool:
        building = pool.submit(stack.built)
        with engine.running(module, **settings) as running:
            tell(f"MiniStack listens on {running.endpoint} (TLS, IAM on)")
            stack.deploy_mark_api(running)
            tell("mark-api's stand-in is deployed: the event table, its stream and its export")
            subscribing = {name: pool.submit(stack.subscribe, running, name) for name in clients}
            built = building.result()
            tell("sam build has built the functions for this machine's Python, now or for an earlier run")
            outputs = stack.deploy_pipeline(running, built)
            tell("sam deploy has deployed template.yaml")
            queues = {name: future.result() for name, future in subscribing.items()}
            if clients:
                tell(f"client.yaml has subscribed {' and '.join(clients)}")
            sqs = running.client("sqs")
            queues["original"] = sqs.get_queue_url(QueueName=outputs["ClientQueueName"])["QueueUrl"]
            queues["fan-out"] = sqs.get_queue_url(QueueName=outputs["QueueName"])["QueueUrl"]
            yield Session(
                running, outputs, queues, Executions(running, outputs["StateMachineArn"]), Stack(stack.STACK, running)
            )
