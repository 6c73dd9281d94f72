"""The standing facts of a simulated market: shops by size, items with prices, rooms on air, channels, campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from deploy.feed.simulate.options import SimulationOptions

CHANNELS = ("search", "recommend", "live", "short_video", "direct")
CHANNEL_WEIGHTS = (30.0, 58.0, 78.0, 92.0, 100.0)
"""Cumulative, in percent."""


@dataclass(frozen=True, slots=True)
class Shop:
    """``prices``: minor units per item; the item's id is the shop's and its index. ``phase`` shifts its broadcasts."""

    id: str
    items: tuple[str, ...]
    prices: tuple[int, ...]
    rooms: tuple[str, ...]
    phase: int


@dataclass(frozen=True, slots=True)
class World:
    """Shops, the largest first, with cumulative Zipf weights."""

    shops: tuple[Shop, ...]
    shop_weights: tuple[float, ...]
    item_weights: tuple[float, ...]
    campaigns: tuple[str, ...]
    users: int
    start_ms: int
    broadcast_ms: int

    def broadcast(self, shop: Shop, room: str, at_ms: int) -> str | None:
        """The broadcast on air in a room, or None: two slots on air, one off."""
        slot = (at_ms - self.start_ms) // self.broadcast_ms + shop.phase
        return None if slot % 3 == 2 else f"{room}-{slot:03d}"


def build_world(options: SimulationOptions, random: Random) -> World:
    """Everything drawn from ``random``, so that one seed gives one market."""
    shops = tuple(_shop(rank, options, random) for rank in range(options.shops))
    return World(
        shops,
        tuple(accumulate(1 / (rank + 1) for rank in range(options.shops))),
        tuple(accumulate(1 / (rank + 1) ** 0.8 for rank in range(options.items_per_shop))),
        tuple(f"c{n + 1:02d}" for n in range(options.campaigns)),
        options.users,
        options.start_ms,
        options.broadcast_ms,
    )


def _shop(rank: int, options: SimulationOptions, random: Random) -> Shop:
    name = f"s{rank + 1:04d}"
    prices = tuple(int(random.lognormvariate(8.5, 0.9)) + 100 for _ in range(options.items_per_shop))
    items = tuple(f"{name}-i{n + 1:03d}" for n in range(options.items_per_shop))
    rooms = tuple(f"{name}-r{n + 1}" for n in range(2 if rank < options.shops // 10 else 1))
    return Shop(name, items, prices, rooms, random.randrange(2))
