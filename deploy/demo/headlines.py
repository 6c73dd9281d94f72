"""The figures that the real orders must lead to, asked of the api as anybody would."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.errors import OperatorError
from metric_defs import Registry

OF_THE_ORDERS = {
    "amount": "pay_amt",
    "orders": "pay_orders",
    "buyers": "pay_buyers",
    "shops": "active_shops",
    "lines": "pay_suborders",
    "pieces": "pay_items",
}
"""Total of the data set (``completejourney.expected_totals``) -> metric of the catalogue that must equal it."""


class ApiSilent(OperatorError):
    """The api did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure beside the total of the input. ``value`` is None where the api states none."""

    metric: str
    name: str
    unit: str
    value: int | float | None
    expected: int

    @property
    def right(self) -> bool:
        """Equal, to the last unit."""
        return self.value == self.expected


def headline_metrics(registry: Registry) -> dict[str, str]:
    """Those of OF_THE_ORDERS that the registry has."""
    return {total: code for total, code in OF_THE_ORDERS.items() if code in registry.metrics}


def headlines(registry: Registry, address: str, expected: Mapping[str, int]) -> list[Headline]:
    """Ask the api for the figures over all time. Raises ApiSilent."""
    wanted = headline_metrics(registry)
    figures = ask_live(address, list(wanted.values()), "total") if wanted else {}
    found = []
    for total, code in wanted.items():
        metric = registry.metrics[code]
        name = f"{metric.name.zh} {metric.name.en}"
        found.append(Headline(code, name, metric.unit, figures.get(code, {}).get("value"), expected[total]))
    return found


def ask_live(address: str, metrics: list[str], window: str, timeout_s: float = 10.0) -> dict[str, dict[str, Any]]:
    """Metric -> its figure over all shops, as GET /v1/live states it. Raises ApiSilent."""
    query = urllib.parse.urlencode({"metrics": ",".join(metrics), "window": window})
    url = f"{address}/v1/live?{query}"
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - our own address
            body = json.load(answer)
        return {figure["metric"]: figure for figure in body["figures"]}
    except urllib.error.HTTPError as error:
        detail = error.read(2000).decode("utf-8", "replace")
        raise ApiSilent(f"{url} answers {error.code}: {detail}", "see logs/api.log in the data directory") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ApiSilent(f"{url} does not answer: {error}", "see logs/api.log in the data directory") from error


def shown(value: int | float | None, unit: str, currency: str) -> str:
    """A value as people write it; money is in minor units of two digits."""
    if value is None:
        return "-"
    return f"{value / 100:,.2f} {currency}" if unit == "money" else f"{value:,}"
