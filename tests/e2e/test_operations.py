"""Proves, on the deployed stack, what operators do by `python -m operate`: see, redrive, release, replay.

MiniStack writes no records to an on-failure bucket; the test writes an object there as AWS documents it.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local import inspection
from local.marks import Item, Mark
from local.queues import drain
from local.session import Session
from local.stack import ROOT
from mark_event_queue.domain.attributes import json_object
from mark_event_queue.domain.events import to_group_id
from meq.replay import records_of


def operate(stack: Session, *arguments: str) -> tuple[int, str]:
    """Run a command as an operator would; return its exit code and what it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "meq", *arguments],
        cwd=ROOT,
        env=stack.engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def survey(stack: Session) -> list[dict[str, Any]]:
    """Have the survey function measure, as its schedule would; return the metrics that it wrote to its log."""
    functions = stack.engine.client("lambda")
    names = [
        one["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for one in page["Functions"]
    ]
    (name,) = [one for one in names if "SurveyFunction" in one]
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    return [
        json.loads(line) for line in inspection.logs(stack.engine) if '"service":"survey"' in line and "_aws" in line
    ]


def quarantine(stack: Session, item: Item, number: int) -> None:
    """Have the pipeline reject an event that is valid by now, as a validator of before the mend would have."""
    event = {
        "eventId": item["eventId"]["S"],
        "mark": item["mark"]["S"],
        "groupId": to_group_id(item["mark"]["S"]),
        "sequenceNumber": str(number),
        "body": json_object(item),
        "unfit": "a rule that has been mended since",
    }
    given = {"batch": {"events": [event]}, "clients": [], "deadline": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    machine = stack.engine.client("stepfunctions")
    arn = stack.outputs["StateMachineArn"]
    execution = machine.start_execution(stateMachineArn=arn, name=str(uuid4()), input=json.dumps(given))
    while machine.describe_execution(executionArn=execution["executionArn"])["status"] == "RUNNING":
        pass


def test_quarantined_events_come_back_in_order_once_the_contract_allows_them(stack: Session):
    """Released: valid ones, in order, behind what was delivered meanwhile; what still breaks a rule holds its mark."""
    mended, stuck = Mark("RE LSE"), Mark("ST UCK")
    first, second, third = mended.lock(), mended.unlock(), mended.lock()
    still_broken, behind = stuck.lock(), stuck.unlock()
    still_broken["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    for number, item in enumerate([first, second, still_broken, behind], start=1):
        quarantine(stack, item, number)
    stack.deliver([third])

    code, told = operate(stack, "release")
    assert (code, told.splitlines()[0]) == (1, "released 2, 2 stay in quarantine")
    delivered = [message.event_id for message in drain(stack.engine, stack.queues["Insurer"])]
    assert delivered == [item["eventId"]["S"] for item in (third, first, second)]
    staying = [message.event_id for message in drain(stack.engine, stack.outputs["QuarantineQueueUrl"])]
    assert staying == [still_broken["eventId"]["S"], behind["eventId"]["S"]]


def test_records_that_the_stream_gave_up_are_delivered_from_the_bucket(stack: Session):
    """An object of the on-failure bucket goes through the converter, reaches every client and leaves the bucket."""
    mark = Mark("RE PLY")
    items = [mark.lock(), mark.unlock()]
    records = [
        {
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": {"mark": item["mark"], "createTime": item["createTime"]},
                "NewImage": item,
                "SequenceNumber": str(number),
            },
        }
        for number, item in enumerate(items, start=1)
    ]
    content = {"version": "1.0", "payload": json.dumps({"Records": records})}
    assert records_of(content) == records
    bucket, store = stack.outputs["UndeliveredRecordsBucketName"], stack.engine.client("s3")
    store.put_object(Bucket=bucket, Key="aws/lambda/mapping/shard/2026/03/01/one", Body=json.dumps(content).encode())

    code, told = operate(stack, "replay")
    assert (code, told) == (0, "delivered the 2 records of aws/lambda/mapping/shard/2026/03/01/one\n")
    for client in ("Insurer", "Police", "original", "fan-out"):
        delivered = [message.event_id for message in drain(stack.engine, stack.queues[client])]
        assert delivered == [item["eventId"]["S"] for item in items]
    assert operate(stack, "replay") == (0, "there is nothing to replay\n")


def test_what_is_parked_is_seen_described_and_redriven(stack: Session):
    """`parked` names client, mark, number, time and error; a dry run changes nothing; a redrive delivers."""
    sqs, url = stack.engine.client("sqs"), stack.queues["Police"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [deny]})}
    )
    mark = Mark("SE EN")
    items = [mark.lock(), mark.unlock(), mark.lock()]
    stack.deliver(items)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    _, told = operate(stack, "parked")
    (line,) = [line for line in told.splitlines() if "SE EN" in line]
    client, *mark_name, events, _, _, since, error, _, first_id = line.split()
    assert (client, " ".join(mark_name), events, error) == ("Police", "SE EN", "3", "Sqs.AccessDenied")
    assert datetime.fromisoformat(since) <= datetime.now(UTC)
    assert first_id == items[0]["eventId"]["S"]

    of_police = [one for one in survey(stack) if one.get("client") == "Police"]
    in_table = inspection.parked(stack.engine, stack.outputs["ParkedEventsTableName"])["Police"]
    assert [one["ParkedEvents"] for one in of_police if "ParkedEvents" in one] == [[len(in_table)]]
    assert [one["OldestParkedAge"][0] >= 0 for one in of_police if "OldestParkedAge" in one] == [True]

    code, told = operate(stack, "redrive", "Police", "--mark", "SE EN", "--dry-run")
    assert (code, json.loads(told)["wouldRedrive"]) == (0, 3)
    assert drain(stack.engine, url) == []

    code, told = operate(stack, "redrive", "Police", "--mark", "SE EN")
    assert (code, json.loads(told)["delivered"]) == (0, 3)
    assert [message.event_id for message in drain(stack.engine, url)] == [item["eventId"]["S"] for item in items]


def test_a_redrive_for_nobody_says_who_there_is(stack: Session):
    """A client that is not registered is an error that names those that are."""
    code, told = operate(stack, "redrive", "Nobody")
    assert code == 1
    # MiniStack calls every error of a function Runtime.HandlerError; AWS would say UnknownClientError.
    assert "'Insurer', 'Police', 'original'" in told
