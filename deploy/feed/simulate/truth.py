"""The true values, added up from the journeys themselves as they are made, not from what any engine says of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from deploy.feed.simulate.record import Outcome


class TrueMeasure(NamedTuple):
    """A simple metric by its code: ``count`` of records, ``sum`` or number of ``distinct`` values of ``field``.

    Over the given types of one event; ``having``: only records that have this field.
    """

    name: str
    event: str
    types: tuple[str, ...]
    how: Literal["count", "sum", "distinct"]
    field: str = ""
    having: str = ""


TRUE_MEASURES = (
    TrueMeasure("pay_amt", "orders", ("paid",), "sum", "amount"),
    TrueMeasure("pay_buyers", "orders", ("paid",), "distinct", "user_id"),
    TrueMeasure("pay_orders", "orders", ("paid",), "distinct", "order_id"),
    TrueMeasure("pay_suborders", "orders", ("paid",), "count"),
    TrueMeasure("pay_items", "orders", ("paid",), "sum", "quantity"),
    TrueMeasure("active_shops", "orders", ("paid",), "distinct", "shop_id"),
    TrueMeasure("order_amt", "orders", ("created",), "sum", "amount"),
    TrueMeasure("order_cnt", "orders", ("created",), "distinct", "order_id"),
    TrueMeasure("order_buyers", "orders", ("created",), "distinct", "user_id"),
    TrueMeasure("refund_amt", "orders", ("refund_succeeded",), "sum", "amount"),
    TrueMeasure("refund_lines", "orders", ("refund_succeeded",), "count"),
    TrueMeasure("refund_buyers", "orders", ("refund_succeeded",), "distinct", "user_id"),
    TrueMeasure("cancel_amt", "orders", ("cancelled",), "sum", "amount"),
    TrueMeasure("cancel_orders", "orders", ("cancelled",), "distinct", "order_id"),
    TrueMeasure("live_pay_amt", "orders", ("paid",), "sum", "amount", "room_id"),
    TrueMeasure("live_pay_suborders", "orders", ("paid",), "count", "", "room_id"),
    TrueMeasure("live_buyers", "orders", ("paid",), "distinct", "user_id", "room_id"),
    TrueMeasure("pv", "page_views", ("view",), "count"),
    TrueMeasure("uv", "page_views", ("view",), "distinct", "user_id"),
    TrueMeasure("fav_users", "page_views", ("favourite",), "distinct", "user_id"),
    TrueMeasure("cart_users", "page_views", ("cart",), "distinct", "user_id"),
    TrueMeasure("cart_items", "page_views", ("cart",), "sum", "quantity"),
    TrueMeasure("cart_fav_users", "page_views", ("favourite", "cart"), "distinct", "user_id"),
    TrueMeasure("live_expose_users", "live_events", ("exposure",), "distinct", "user_id"),
    TrueMeasure("live_pv", "live_events", ("enter",), "count"),
    TrueMeasure("live_uv", "live_events", ("enter",), "distinct", "user_id"),
    TrueMeasure("live_watch_ms", "live_events", ("leave",), "sum", "watch_ms"),
    TrueMeasure("comments", "live_events", ("comment",), "count"),
    TrueMeasure("likes", "live_events", ("like",), "count"),
    TrueMeasure("shares", "live_events", ("share",), "count"),
    TrueMeasure("new_fans", "live_events", ("follow",), "count"),
    TrueMeasure("interact_users", "live_events", ("comment", "like", "share", "follow"), "distinct", "user_id"),
    TrueMeasure("item_expose_users", "live_events", ("item_exposure",), "distinct", "user_id"),
    TrueMeasure("item_clicks", "live_events", ("item_click",), "count"),
    TrueMeasure("item_click_users", "live_events", ("item_click",), "distinct", "user_id"),
)
_BY_TYPE: dict[tuple[str, str], tuple[TrueMeasure, ...]] = {
    (m.event, t): tuple(n for n in TRUE_MEASURES if n.event == m.event and t in n.types)
    for m in TRUE_MEASURES
    for t in m.types
}


@dataclass(slots=True)
class _Values:
    numbers: Counter[str] = field(default_factory=Counter)
    sets: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, other: _Values) -> None:
        self.numbers.update(other.numbers)
        for name, values in other.sets.items():
            self.sets[name] |= values

    def result(self) -> dict[str, int]:
        return {
            m.name: len(self.sets.get(m.name, ())) if m.how == "distinct" else self.numbers[m.name]
            for m in TRUE_MEASURES
        }


class Truth:
    """What the engine must find. Complete once the simulation has been read to its end."""

    def __init__(self) -> None:
        self._shops: defaultdict[str, _Values] = defaultdict(_Values)
        self._sent: Counter[tuple[str, Outcome, str]] = Counter()
        self._first_ms: int | None = None
        self._last_ms = 0

    def happened(self, event: str, row: dict[str, Any]) -> None:
        """A good event took place."""
        at_ms: int = row["event_time"]
        if self._first_ms is None or at_ms < self._first_ms:
            self._first_ms = at_ms
        if at_ms > self._last_ms:
            self._last_ms = at_ms
        values = self._shops[row["shop_id"]]
        for name, _, _, how, source, having in _BY_TYPE[event, row["type"]]:
            if having and having not in row:
                continue
            if how == "count":
                values.numbers[name] += 1
            elif how == "sum":
                values.numbers[name] += row[source]
            else:
                values.sets[name].add(row[source])

    def sent(self, event: str, outcome: Outcome, reason: str) -> None:
        """A record was given out."""
        self._sent[event, outcome, reason] += 1

    def as_dict(self) -> dict[str, Any]:
        """``events``: per event read, counted, duplicate, too_late, dead, dead_reasons; ``total``, ``shops``: values.

        Values are given by metric code: money in minor units, people and orders exact.
        """
        total = _Values()
        for values in self._shops.values():
            total.add(values)
        return {
            "events": {event: self._outcomes(event) for event in sorted({event for event, _, _ in self._sent})},
            "first_event_ms": self._first_ms,
            "last_event_ms": self._last_ms,
            "total": total.result(),
            "shops": {shop: values.result() for shop, values in sorted(self._shops.items())},
        }

    def _outcomes(self, event: str) -> dict[str, Any]:
        mine = [(outcome, reason, n) for (name, outcome, reason), n in sorted(self._sent.items()) if name == event]
        return {
            "read": sum(n for _, _, n in mine),
            **{o.value: sum(n for outcome, _, n in mine if outcome is o) for o in Outcome},
            "dead_reasons": {reason: n for outcome, reason, n in mine if outcome is Outcome.DEAD},
        }
