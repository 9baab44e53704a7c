"""Clients of AWS services, and the errors of their calls.

Clients are most of what a cold start takes. For the first one botocore parses the endpoints of all services and lists
the folders of all, for each one the operations and the endpoint rules of its service. So a function has one session,
which parses no file twice and lists no folders, and one client for a service and its settings. botocore itself makes
them: of what boto3 would import beside nothing is used.
"""

import gc
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.session import Session

AwsError = (BotoCoreError, ClientError)

_SERVICES = ["dynamodb", "s3", "sqs", "ssm", "stepfunctions"]


def name_of(error: BotoCoreError | ClientError) -> str:
    """Return the name of an AWS error; its message stays out, for it may quote what was sent."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


@cache
def client_of(service: str, config: Config | None = None) -> Any:
    """Return the client of a service with these settings, which is made once."""
    # A third of the time would go into looking for garbage in what is being parsed, and stays for good.
    gc.disable()
    try:
        return _session().create_client(service, config=config)
    finally:
        gc.freeze()
        gc.enable()


@cache
def _session() -> Session:
    session = Session()
    session.register_component("data_loader", _FunctionsLoader())
    return session


class _FunctionsLoader(Loader):
    """A loader that knows which services there are, and looks only for the files of one that is asked for."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (the loader's)
        """Return the services that functions use."""
        return _SERVICES
