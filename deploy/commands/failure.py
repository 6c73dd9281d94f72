"""What an error means to the person at the keyboard: a few lines and an exit code, never a traceback."""

from __future__ import annotations

from deploy.errors import CONFIGURATION, FAILURE, OperatorError
from deploy.store_trouble import trouble
from metric_defs import RegistryError
from sinks.errors import StoreRejected, StoreUnavailable


def explained(error: Exception) -> tuple[str, int]:
    """(text, exit code) of whatever ended a command."""
    if isinstance(error, OperatorError):
        return f"error: {error}", error.exit_code
    if isinstance(error, RegistryError):
        count = len(error.faults)
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        return (
            f"error: the registry cannot be used, {count} fault{'s' * (count != 1)}:\n{faults}\n"
            "  hint: correct the places named; 'metricgrid registry check --registry DIR' checks again",
            CONFIGURATION,
        )
    if isinstance(error, StoreUnavailable):
        return (
            f"error: {trouble(error)}\n  hint: check that ClickHouse runs there (clickhouse.url, --clickhouse-url); "
            "'metricgrid doctor' tries every part",
            FAILURE,
        )
    if isinstance(error, StoreRejected):
        return f"error: {error}\n  hint: {_store_hint(error.code)}", FAILURE
    return (
        f"error: {type(error).__name__}: {_first_line(error)}\n"
        "  hint: this should not happen; the same command with --debug shows where",
        FAILURE,
    )


def _store_hint(code: int) -> str:
    hints = {
        16: "the tables are older than the registry: 'metricgrid migrate' brings them up to it",
        47: "the tables are older than the registry: 'metricgrid migrate' brings them up to it",
        60: "the tables are not there: create them with 'metricgrid migrate'",
        81: "the database is not there: create it and its tables with 'metricgrid migrate'",
        192: "correct clickhouse.username",
        193: "correct clickhouse.password",
        516: "correct clickhouse.username and clickhouse.password",
        497: "give this user the rights on the database",
    }
    return hints.get(code, "'metricgrid doctor' tries every part")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
