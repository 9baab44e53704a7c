"""Events as typed models; needs pydantic: `pip install 'mark-event-contracts[models]'`."""

from typing import Any, get_args

from mark_event_contracts.judging import CONTRACT_VERSION, read, validate
from mark_event_contracts.models import Event

_MAJOR = int(CONTRACT_VERSION.partition(".")[0])
_MODELS: dict[str, Any] = {model.__name__: model for model in get_args(Event)}


def typed_event(body: str | bytes) -> Event:
    """Return the event of a message's body: a model of its type, in the newest major version of this package.

    Numbers are Decimals and instants have nine digits, as the text has them.

    Raises:
        UnknownEventTypeError: the contract does not have its type.
        ContractError: it breaks the contract.
    """
    validate(body, major=_MAJOR)
    event = read(body)
    model: Event = _MODELS[event["eventName"]].model_validate(event)
    return model
