"""The ports to AWS: one module per service, which turns its errors into the project's own."""

from botocore.exceptions import BotoCoreError, ClientError

AwsError = (BotoCoreError, ClientError)


def name_of(error: BotoCoreError | ClientError) -> str:
    """Return the name of an AWS error; its message stays out, for it may quote what was sent."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
