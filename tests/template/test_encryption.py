"""Proves that everything kept is encrypted, by a key of one's own where one is given, and who may do what with it.

That the grants suffice is known from AWS's documentation alone: the local engine asks nobody for a key.
"""

import json

import pytest

from tests.template.translation import Template, granted, of_type, source, translated, under

MAIN = "template.yaml"


@pytest.fixture
def template() -> Template:
    """The main template after the SAM transform."""
    return translated(MAIN)


_KEY = {"Ref": "KmsKeyArn"}


def test_without_a_key_of_ones_own_each_service_encrypts_with_its_own(template: Template):
    """The default: everything is encrypted, nothing names a key, and no role needs one."""
    assert template["Parameters"]["KmsKeyArn"]["Default"] == ""
    assert template["Conditions"]["HasKmsKey"] == {"Fn::Not": [{"Fn::Equals": [_KEY, ""]}]}
    plain = under(template, HasKmsKey=False)
    assert [queue["SqsManagedSseEnabled"] for queue in of_type(plain, "AWS::SQS::Queue").values()] == [True, True]
    (table,) = of_type(plain, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"] == {"SSEEnabled": True}
    (bucket,) = of_type(plain, "AWS::S3::Bucket").values()
    assert bucket["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    }
    assert json.dumps(_KEY) not in json.dumps(plain["Resources"])


def test_with_a_key_of_ones_own_it_encrypts_all_that_is_kept(template: Template):
    """Queues, table, bucket and the logs of every function and machine; a queue never has two ways at once."""
    keyed = under(template, HasKmsKey=True)
    for queue in of_type(keyed, "AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == _KEY
        assert "SqsManagedSseEnabled" not in queue
    (table,) = of_type(keyed, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": _KEY}
    (bucket,) = of_type(keyed, "AWS::S3::Bucket").values()
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": _KEY},
            "BucketKeyEnabled": True,
        }
    ]
    groups = of_type(keyed, "AWS::Logs::LogGroup")
    assert {name for name, group in groups.items() if group["KmsKeyId"] == _KEY} == groups.keys()


# What an action on something encrypted takes of the key, and the service that asks for it on the caller's behalf
# (SQS Developer Guide, key management; DynamoDB Developer Guide, encryption at rest: the table key is decrypted for
# each caller; Lambda Developer Guide, retain discarded records).
_TAKES_OF_KEY = {
    "sqs:SendMessage": {("GenerateDataKey", "sqs"), ("Decrypt", "sqs")},
    "s3:PutObject": {("GenerateDataKey", "s3")},
}


@pytest.mark.parametrize("role", sorted(of_type(source(MAIN), "AWS::IAM::Role")))
def test_roles_get_of_the_key_what_they_need_and_no_more(template: Template, role: str):
    """Whoever sends, reads or writes what is encrypted may have the service use the key for it, and nothing else."""
    needed: set[tuple[str, str]] = set()
    got: set[tuple[str, str]] = set()
    for statement in granted(under(template, HasKmsKey=True), role):
        (action, *_) = statement.actions
        needed |= _TAKES_OF_KEY.get(action, set())
        if action.startswith("dynamodb:") and "ParkedEventsTable" in json.dumps(statement.resources):
            needed.add(("Decrypt", "dynamodb"))
        if action.startswith("kms:"):
            (via,) = [value["Fn::Sub"] for value in statement.body["Condition"]["StringEquals"].values()]
            assert statement.body["Condition"].keys() == {"StringEquals"}
            assert statement.body["Condition"]["StringEquals"].keys() == {"kms:ViaService"}
            assert statement.resources == [_KEY]
            got.add((action.removeprefix("kms:"), via.removesuffix(".${AWS::Region}.amazonaws.com")))
    assert got == needed
