"""One shopper's visit: exposure, live room or pages, items, favourite, cart, order, payment, refund or cancellation."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from deploy.feed.simulate.world import CHANNEL_WEIGHTS, CHANNELS, Shop, World

Step = tuple[int, str, dict[str, Any]]
"""(ms since the visit began, event, fields without id, time, shop and user)."""

INTERACTIONS = ("comment", "like", "share", "follow")
MINUTE = 60_000


@dataclass(slots=True)
class Visit:
    """A visit as it unfolds; ``steps`` are in order of time."""

    world: World
    random: Random
    shop: Shop
    user: str
    start_ms: int
    order_id: str
    steps: list[Step]
    common: dict[str, str]
    room: str = ""
    at_ms: int = 0

    def step(self, event: str, kind: str, **fields: Any) -> None:
        """Something happens now."""
        self.steps.append((self.at_ms, event, {"type": kind, **fields, **self.common}))

    def pass_ms(self, low: int, high: int) -> None:
        """Time passes."""
        self.at_ms += low + int(self.random.random() * (high - low))

    def item(self) -> int:
        """An item, the popular ones more often."""
        return _weighted(self.random, self.world.item_weights)


def make_visit(world: World, random: Random, start_ms: int, number: int) -> Visit:
    """A whole visit of a random user to a random shop. Its steps come in order of time, the first one at 0."""
    shop = world.shops[_weighted(random, world.shop_weights)]
    user = f"u{int(world.users * random.random() ** 1.5):06d}"
    common = {"channel": CHANNELS[_weighted(random, CHANNEL_WEIGHTS)]}
    if random.random() < 0.4:
        common["campaign_id"] = random.choice(world.campaigns)
    visit = Visit(world, random, shop, user, start_ms, f"o{start_ms:x}-{number:x}", [], common)
    cart: dict[int, int] = {}
    stays = _live(visit, cart) if random.random() < 0.45 else True
    if stays:
        _browse(visit, cart)
    if cart and random.random() < 0.6:
        _order(visit, cart)
    return visit


def _weighted(random: Random, cumulative: Sequence[float]) -> int:
    """An index, by cumulative weights."""
    return bisect(cumulative, random.random() * cumulative[-1], 0, len(cumulative) - 1)


def _live(visit: Visit, cart: dict[int, int]) -> bool:
    """The way through a live room; says whether the shopper goes on to the shop's pages."""
    random = visit.random
    room = random.choice(visit.shop.rooms)
    live_id = visit.world.broadcast(visit.shop, room, visit.start_ms)
    if live_id is None:
        return True
    here = {"room_id": room, "live_id": live_id}
    visit.step("live_events", "exposure", **here)
    if random.random() > 0.6:
        return random.random() < 0.2
    visit.pass_ms(500, 5_000)
    entered_ms = visit.at_ms
    visit.step("live_events", "enter", **here)
    visit.room = room
    for _ in range(1 + int(random.random() * 4)):
        visit.pass_ms(2_000, 40_000)
        item = visit.item()
        visit.step("live_events", "item_exposure", item_id=visit.shop.items[item], **here)
        if random.random() < 0.4:
            visit.pass_ms(500, 6_000)
            visit.step("live_events", "item_click", item_id=visit.shop.items[item], **here)
            _look(visit, item, cart)
        if random.random() < 0.3:
            visit.step("live_events", random.choice(INTERACTIONS), **here)
    visit.pass_ms(500, 10_000)
    visit.step("live_events", "leave", watch_ms=visit.at_ms - entered_ms, **here)
    return random.random() < 0.25


def _browse(visit: Visit, cart: dict[int, int]) -> None:
    for _ in range(1 + int(visit.random.random() * 5)):
        _look(visit, visit.item(), cart)
        visit.pass_ms(3_000, 45_000)


def _look(visit: Visit, item: int, cart: dict[int, int]) -> None:
    """An item's page, perhaps a favourite, perhaps into the cart."""
    random = visit.random
    origin = {"room_id": visit.room} if visit.room else {}
    visit.step("page_views", "view", item_id=visit.shop.items[item], **origin)
    if random.random() < 0.08:
        visit.pass_ms(1_000, 8_000)
        visit.step("page_views", "favourite", item_id=visit.shop.items[item], **origin)
    if random.random() < 0.22:
        visit.pass_ms(1_000, 15_000)
        quantity = 1 + int(random.random() ** 3 * 4)
        cart[item] = cart.get(item, 0) + quantity
        visit.step("page_views", "cart", item_id=visit.shop.items[item], quantity=quantity, **origin)


def _order(visit: Visit, cart: dict[int, int]) -> None:
    """An order of all that is in the cart: each line is created, and paid or left; some are refunded or cancelled."""
    random = visit.random
    origin = {"room_id": visit.room} if visit.room else {}
    lines = [
        {
            "order_id": visit.order_id,
            "item_id": visit.shop.items[item],
            "amount": visit.shop.prices[item] * quantity,
            "quantity": quantity,
            **origin,
        }
        for item, quantity in cart.items()
    ]
    visit.pass_ms(5_000, MINUTE)
    for line in lines:
        visit.step("orders", "created", **line)
    if random.random() < 0.85:
        visit.pass_ms(3_000, 2 * MINUTE)
        for line in lines:
            visit.step("orders", "paid", **line)
        visit.pass_ms(MINUTE, 10 * MINUTE)
        for line in lines:
            if random.random() < 0.07:
                visit.step("orders", "refund_succeeded", **line)
    elif random.random() < 0.6:
        visit.pass_ms(MINUTE, 10 * MINUTE)
        for line in lines:
            visit.step("orders", "cancelled", **line)
