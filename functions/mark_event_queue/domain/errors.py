"""The errors of the application: their class names are what the state machine's Retry and Catch see."""


class MarkEventQueueError(Exception):
    """The root of every error that this application raises on purpose.

    Texts name rules, positions and identifiers, never the values of an event: they end in logs.
    """


class SettingsError(MarkEventQueueError):
    """A setting of a function is missing or makes no sense; raised at cold start."""


class BatchNotDeliveredError(MarkEventQueueError):
    """The execution of a batch did not succeed, so the stream has to bring the batch again."""


class StateMachineUnavailableError(MarkEventQueueError):
    """The state machine could not be started, or its answer never came."""


class ClientsUnavailableError(MarkEventQueueError):
    """The registrations of the clients could not be read."""


class HeldEventsUnavailableError(MarkEventQueueError):
    """The table of what waits could not be read or written; worth another try."""


class MalformedPlanError(MarkEventQueueError):
    """The state machine handed over something that is not a plan; a defect, never worth another try."""


class RedriveRequestError(MarkEventQueueError):
    """What was asked of a redrive cannot be done; never worth another try as it is."""


class SequenceClosedError(MarkEventQueueError):
    """What is held of a mark must not go before its history, which is under way."""


class UnknownClientError(MarkEventQueueError):
    """The client that was named is not registered, so there is no queue to redrive to."""


class FilterError(MarkEventQueueError):
    """A client's filter is no JSON Schema, or not a safe one; it makes the registration malformed."""


class HistoryRequestError(MarkEventQueueError):
    """What was asked of a history cannot be done; never worth another try as it is."""


class EventTableUnavailableError(MarkEventQueueError):
    """The producer's table of events could not be read; worth another try."""
