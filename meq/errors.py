"""What can go wrong between an operator and a stack, each said in one or two lines: what is wrong, and what to do."""

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from mark_event_queue.domain.errors import MarkEventQueueError
from meq.text import safe


class OperatorError(MarkEventQueueError):
    """What was asked could not be done; the text says why, and what to do instead."""


class NothingHeldError(OperatorError):
    """What was to be redriven or discarded is not held."""


KNOWN = (MarkEventQueueError, BotoCoreError, ClientError)
"""What `explain` explains."""

_REFUSED_CREDENTIALS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_LOG_IN = "Log in (aws sso login, aws configure), or name another profile: --profile, AWS_PROFILE."


_TROUBLE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (aws.NoRegionError,),
        "No region is set. Say --region eu-west-2, or set AWS_REGION, or give your profile one.",
    ),
    (
        (
            aws.NoCredentialsError,
            aws.PartialCredentialsError,
            aws.CredentialRetrievalError,
            aws.TokenRetrievalError,
            aws.SSOError,
        ),
        f"There are no usable credentials: {{error}}.\n{_LOG_IN}",
    ),
    (
        (aws.SSLError,),
        "AWS cannot be trusted: {error}.\nIs AWS_CA_BUNDLE the right file? A proxy may have a certificate of its own.",
    ),
    (
        (aws.HTTPClientError, aws.ConnectionError),
        "AWS does not answer: {error}.\nIs the region right (--region), AWS_ENDPOINT_URL, the proxy?",
    ),
)


def explain(error: BaseException) -> str:
    """Return what to tell an operator of one of the `KNOWN` errors: no traceback, no control characters."""
    if isinstance(error, MarkEventQueueError):
        return "\n".join([str(error), *_causes(error)])
    if isinstance(error, ClientError):
        return _refused(error)
    text = next((text for kinds, text in _TROUBLE if isinstance(error, kinds)), "{error}")
    return text.format(error=safe(str(error)).rstrip("."))


def _refused(error: ClientError) -> str:
    code, message = str(error.response["Error"]["Code"]), safe(str(error.response["Error"].get("Message", "")))
    if code in _REFUSED_CREDENTIALS:
        return f"AWS does not accept these credentials: {code}: {message}\n{_LOG_IN}"
    if code.startswith("AccessDenied"):
        return f"These credentials may not do {error.operation_name}: {message}"
    return f"{error.operation_name} failed: {safe(code)}: {message}"


def _causes(error: MarkEventQueueError) -> list[str]:
    """Return what AWS said where an adapter of the functions says only that it said no."""
    cause = error.__cause__
    while cause and not isinstance(cause, (BotoCoreError, ClientError)):
        cause = cause.__cause__
    return [explain(cause)] if cause and not isinstance(error, OperatorError) else []
