"""Events as typed models; needs pydantic: `pip install 'mark-event-contracts[models]'`."""

from typing import Any, get_args

from mark_event_contracts.judging import read, validate
from mark_event_contracts.models import Event

_MODELS: dict[str, Any] = {model.__name__: model for model in get_args(Event)}


def typed_event(body: str | bytes) -> Event:
    """Return the event of a message's body: a model of its type.

    Numbers are Decimals and instants have nine digits, as the text has them.

    Raises:
        UnknownEventTypeError: the contract does not have its type.
        ContractError: it breaks the contract.
    """
    validate(body)
    event = read(body)
    model: Event = _MODELS[event["eventName"]].model_validate(event)
    return model
