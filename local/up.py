"""`make up`: leave the stack running until Ctrl-C, and print how to use it from another shell."""

import signal
import sys
import time
from shlex import quote
from threading import Thread
from typing import NoReturn

from local.engine import EngineError
from local.environment import for_shells
from local.session import Session, deployed
from local.stack import ROOT, DeploymentError
from meq.console.serving import listening
from meq.errors import OperatorError


def main() -> None:
    """Run the stack until it is told to stop."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # also where a shell has its background jobs ignore Ctrl-C
        signal.signal(sign, _interrupt)
    try:
        with (
            deployed("Insurer", progress=True) as session,
            listening(session.operated, options=[]) as console,
        ):
            Thread(target=console.server.serve_forever, daemon=True).start()
            print(_instructions(session, console.address), flush=True)
            try:
                while True:
                    time.sleep(3600)
            finally:
                for errand in console.errands.under_way():
                    print(f"\nUnder way, and ends with the stack: {console.errands.command(errand.wanted)}")
    except KeyboardInterrupt:
        print("\nEnded; nothing is left running.")
    except (DeploymentError, EngineError, OperatorError) as error:
        sys.exit(f"make up: {error}")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _instructions(session: Session, console: str) -> str:
    home = session.engine.log.parent
    item, script = home / "event.json", home / "env.sh"
    item.write_text(_ITEM)
    script.write_text(for_shells(session.engine.environment))
    return f"""
The stack is running. In another shell (sh, bash, zsh), which then forgets your AWS settings and knows this stack only:

  cd {quote(str(ROOT))}
  . {quote(str(script))}

Put an event into the table:

  aws dynamodb put-item --table-name RegistrationNumberEvent --item {quote(f"file://{item}")}

Read the queue of a client:

  aws sqs receive-message --endpoint-url $AWS_ENDPOINT_URL --queue-url {session.queues["Insurer"]} \\
      --message-attribute-names All --wait-time-seconds 5

See the executions, and one of them step by step:

  aws stepfunctions list-executions --state-machine-arn {session.outputs["StateMachineArn"]}
  aws stepfunctions get-execution-history --execution-arn …

See what is held, for whom, and redrive it once the cause is mended (meq --help tells the rest):

  meq held
  meq redrive Insurer

Look at it all on a page, and redrive from there; `meq console` serves the same for any stack:

  {console}

Subscribe another client, which gets its events within a minute:

  sam deploy --template-file client.yaml --stack-name client-police --parameter-overrides ClientName=Police \\
      --no-confirm-changeset --resolve-s3 --capabilities CAPABILITY_IAM

The engine's log, with those of the functions: {session.engine.log}
Ctrl-C here ends it all."""


_ITEM = """{
  "eventId": {"S": "7d444840-9dc0-41d1-b245-5ffdce74fad2"},
  "eventName": {"S": "LockEvent"},
  "createTime": {"S": "2026-03-01T08:00:00Z"},
  "mark": {"S": "B1 GAP"},
  "RegistrationNumber": {"M": {
    "mark": {"S": "B1 GAP"},
    "Status": {"S": "MARK_AVAILABLE"},
    "eventTime": {"S": "2026-03-01T08:00:00Z"},
    "lockTime": {"S": "2026-03-01T08:30:00Z"},
    "price": {"N": "299.5"},
    "version": {"N": "1"}
  }}
}
"""


if __name__ == "__main__":
    main()
