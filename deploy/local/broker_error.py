"""The embedded broker's one error."""

from deploy.errors import OperatorError


class BrokerError(OperatorError):
    """The embedded broker cannot run; the text says why, with the last lines of its log where they tell."""
