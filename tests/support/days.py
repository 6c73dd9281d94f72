"""A few hours of a made-up registry-conforming day, and plain sums over it as the oracle of figures."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Day:
    """Records of the built-in events up to ``now_ms``."""

    now_ms: int
    orders: list[Record]
    views: list[Record]
    live: list[Record]

    def sum(self, field: str, keep: Callable[[Record], bool]) -> int:
        """Sum of a field over the orders that are kept."""
        return sum(o[field] for o in self.orders if keep(o))

    def people(self, records: Iterable[Record], keep: Callable[[Record], bool]) -> int:
        """Distinct people among those that are kept."""
        return len({r["user_id"] for r in records if keep(r)})


def make_day(now_ms: int, seed: int = 7, hours: float = 3, orders: int = 600) -> Day:
    """Ever denser towards ``now_ms``; every shop, item, room and channel occurs, and so do orders without a room."""
    rng = random.Random(seed)

    def at() -> int:
        return now_ms - 6_000 - int(rng.random() ** 2 * hours * 3_600_000)

    def base(kind: str, i: int) -> Record:
        return {
            "event_id": f"{kind}{i}", "event_time": at(), "shop_id": f"s{min(int(rng.expovariate(0.5)), 7)}",
            "user_id": f"u{rng.randrange(300)}", "channel": rng.choice(["search", "live", "ads", ""]),
            "item_id": f"i{min(int(rng.expovariate(0.2)), 30)}", "campaign_id": rng.choice(["c1", ""]),
        }  # fmt: skip

    paid = [
        {**base("o", i), "type": rng.choice(["paid"] * 6 + ["created"] * 2 + ["refund_succeeded", "cancelled"]), "order_id": f"n{i // 2}",
         "amount": rng.randrange(100, 30_000), "quantity": rng.randrange(1, 4), "room_id": rng.choice(["r1", "r2", "", ""])}
        for i in range(orders)
    ]  # fmt: skip
    views = [{**base("v", i), "type": rng.choice(["view"] * 8 + ["cart", "favourite"])} for i in range(3 * orders)]
    live = [
        {
            **base("l", i),
            "type": rng.choice(["exposure", "enter", "leave", "comment"]),
            "room_id": rng.choice(["r1", "r2", "r3"]),
            "watch_ms": 1_000,
        }
        for i in range(orders)
    ]
    for records in (paid, views, live):
        records.sort(key=lambda r: r["event_time"])
    return Day(now_ms, paid, views, live)
