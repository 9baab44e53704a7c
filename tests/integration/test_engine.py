"""Proves that the local engine is what it says: TLS and IAM on, loopback only, nothing left behind, mends needed.

The mends are shown against MiniStack as it is installed: each of these tests fails once MiniStack no
longer has the fault, and then the mend in local/engine_*.py has to go.
"""

import inspect
import sys
from pathlib import Path

import boto3
import botocore.exceptions
import ministack.app
import pytest
from ministack.core import iam_actions, iam_evaluator
from ministack.services import lambda_svc, sqs, stepfunctions
from ministack.services.cloudformation import provisioners

from local import engine
from local.environment import REGION

ACCOUNT = "000000000000"


def test_states_would_speak_the_wrong_protocol_to_sqs():
    """MiniStack sends SendMessageBatch from a state by the query protocol, which loses the entries."""
    assert stepfunctions._AWS_SDK_SERVICE_MAP["sqs"] == {"protocol": "query"}


def test_a_policy_could_not_name_a_parameter_path():
    """MiniStack derives the resource "*" for GetParametersByPath."""
    headers = {"x-amz-target": "AmazonSSM.GetParametersByPath"}
    request = ("ssm", "POST", "/", headers, b'{"Path": "/stack/clients"}', {}, REGION, ACCOUNT)
    assert iam_actions.extract_resource_arn(*request) == "*"


def test_a_policy_would_have_to_name_an_action_that_does_not_exist():
    """MiniStack asks for sqs:SendMessageBatch, where AWS asks for sqs:SendMessage."""
    headers = {"x-amz-target": "AmazonSQS.SendMessageBatch"}
    assert iam_actions.extract_iam_action("sqs", "POST", "/", headers, b"{}", {}) == "sqs:SendMessageBatch"


def test_a_state_machine_would_call_as_root():
    """MiniStack signs a state's calls with the account's own key, and SQS believes the signature."""
    assert "Credential=test/" in inspect.getsource(stepfunctions._dispatch_aws_sdk_json)
    assert "pin_request_caller(headers" in inspect.getsource(sqs.handle_request)


def test_a_policy_could_not_name_the_role_of_a_function():
    """MiniStack has `aws:PrincipalArn` be the session's ARN; on AWS it is the role's, by which a queue lets it in."""
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/redrive/session"
    context = iam_evaluator.EvalContext(session, "AssumedRole", ACCOUNT, "sqs:SendMessage", "*", REGION)
    assert iam_evaluator._resolve_condition_key("aws:PrincipalArn", context) == session


def test_the_stream_would_go_on_behind_reported_failures():
    """MiniStack does not look at what a function reports of a DynamoDB stream's batch."""
    assert "batchItemFailures" not in inspect.getsource(lambda_svc._poll_dynamodb_streams)


def test_a_history_would_not_say_what_followed_what():
    """MiniStack leaves previousEventId out, by which the branches of a Map are told apart."""
    assert "previousEventId" not in inspect.getsource(stepfunctions)


def test_a_history_would_not_say_which_function_was_called():
    """MiniStack leaves out the parameters of a scheduled task, among which is the version of the function."""
    scheduled = inspect.getsource(stepfunctions._execute_task).partition("taskScheduledEventDetails")[2]
    assert '"parameters"' not in scheduled[: scheduled.index("})")]


def test_a_history_would_not_tell_of_states_inside_a_map():
    """MiniStack tells of the states outside, and inside of tasks alone."""
    assert "StateEntered" in inspect.getsource(stepfunctions._run_execution)
    assert "StateEntered" not in inspect.getsource(stepfunctions._run_sub_machine)


def test_executions_would_pause_before_they_start():
    """MiniStack sleeps in every execution before its first state."""
    assert "time.sleep(0.15)" in inspect.getsource(stepfunctions._run_execution)
    assert inspect.getsource(stepfunctions).count("sleep(0.15)") == 1, "the mend would swallow the other one, too"


def test_pollers_would_rest_after_a_wake_for_nothing():
    """MiniStack's pollers rest, which only slows patterns that send to queues one message after another (bench)."""
    assert lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS > 0


def test_a_template_could_not_have_a_sampling_rule():
    """MiniStack refuses a template with a type of resource that it does not know."""
    assert "AWS::XRay::SamplingRule" not in provisioners._RESOURCE_HANDLERS


def test_an_execution_could_not_be_started_by_an_alias():
    """MiniStack looks for a machine of that name, and an execution runs the machine's own definition."""
    assert "if sm_arn not in _state_machines" in inspect.getsource(stepfunctions._start_sync_execution)
    assert 'json.loads(sm["definition"])' in inspect.getsource(stepfunctions._run_execution)


def test_a_policy_could_not_name_the_machine_of_an_alias():
    """MiniStack derives the alias as the resource, and knows no qualifier, where AWS derives the machine."""
    alias = f"arn:aws:states:{REGION}:000000000000:stateMachine:stack:live"
    headers, body = (
        {"x-amz-target": "AWSStepFunctions.StartSyncExecution"},
        f'{{"stateMachineArn": "{alias}"}}'.encode(),
    )
    request = ("states", "POST", "/", headers, body, {}, REGION, "000000000000")
    assert iam_actions.extract_resource_arn(*request) == alias
    assert iam_actions.request_tag_context("states", "states:StartSyncExecution", body, {}) == {}


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::StepFunctions::StateMachineVersion",
        "AWS::StepFunctions::StateMachineAlias",
        "AWS::CloudWatch::CompositeAlarm",
    ],
)
def test_a_template_could_not_have_versions_or_alarms_over_alarms(kind: str):
    """MiniStack knows the calls, and not the types of resource."""
    assert kind not in provisioners._RESOURCE_HANDLERS


def test_a_template_could_not_have_an_alarm_of_a_calculation():
    """MiniStack refuses metric math."""
    with pytest.raises(ValueError, match="metric math"):
        provisioners._cw_metric_alarm_record("alarm", {"Metrics": [{"Id": "one"}]})


def test_tls_would_open_a_second_port():
    """MiniStack binds 443 as well when it serves over TLS."""
    assert "_port_is_bindable(bind_host, 443)" in inspect.getsource(ministack.app.main)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_it_listens_on_loopback_only_and_leaves_nothing_behind():
    """One listening socket, on 127.0.0.1; after the context neither process nor folder is left."""
    with engine.running() as running:
        process_id, home = running.process_id, running.log.parent
        assert _listening_addresses(process_id) == {"127.0.0.1"}
        assert home.is_dir()
    assert not Path(f"/proc/{process_id}").exists()
    assert not home.exists()


def test_two_run_at_once_and_know_nothing_of_each_other():
    """Engines have ports and stores of their own."""
    with engine.running() as one, engine.running() as other:
        one.client("sqs").create_queue(QueueName="only-here")
        assert other.client("sqs").list_queues().get("QueueUrls", []) == []


def test_it_answers_over_tls_only():
    """A caller that does not trust the engine's certificate gets no answer."""
    with engine.running() as running:
        stranger = boto3.client(
            "sqs",
            endpoint_url=running.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            verify=True,
        )
        with pytest.raises(botocore.exceptions.SSLError):
            stranger.list_queues()


def _listening_addresses(process_id: int) -> set[str]:
    inodes = set()
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening, addresses = "0A", set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == listening and columns[9] in inodes:
                address = bytes.fromhex(columns[1].split(":")[0])
                addresses.add(".".join(str(byte) for byte in reversed(address)))
    return addresses
