"""`make up`: leave the stack running until Ctrl-C, and print how to use it from another shell."""

import signal
import time
from pathlib import Path
from typing import NoReturn

from local.engine import REGION
from local.session import Session, deployed
from local.stack import ROOT


def main() -> None:
    """Run the stack until it is told to stop."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # also where a shell has its background jobs ignore Ctrl-C
        signal.signal(sign, _interrupt)
    try:
        with deployed("Insurer", progress=True) as session:
            print(_instructions(session), flush=True)
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        print("\nEnded; nothing is left running.")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _instructions(session: Session) -> str:
    environment = session.engine.environment
    item = Path(environment["AWS_CA_BUNDLE"]).with_name("event.json")
    item.write_text(_ITEM)
    return f"""
The stack is running. In another shell:

  cd {ROOT}
  export AWS_ENDPOINT_URL={environment["AWS_ENDPOINT_URL"]} AWS_CA_BUNDLE={environment["AWS_CA_BUNDLE"]} \\
         AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test \\
         AWS_DISABLE_HOST_PREFIX_INJECTION=true
  export PATH="$PWD/.venv/bin:$PATH"

Put an event into the table:

  aws dynamodb put-item --table-name RegistrationNumberEvent --item file://{item}

Read the queue of a client:

  aws sqs receive-message --endpoint-url $AWS_ENDPOINT_URL --queue-url {session.queues["Insurer"]} \\
      --message-attribute-names All --wait-time-seconds 5

See the executions, and one of them step by step:

  aws stepfunctions list-executions --state-machine-arn {session.outputs["StateMachineArn"]}
  aws stepfunctions get-execution-history --execution-arn …

See what is held, for whom, and redrive it once the cause is mended (meq --help tells the rest):

  meq held
  meq redrive Insurer

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
