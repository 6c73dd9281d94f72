"""Business days: calendar days of the registry's zone, as the store cuts them. Pure; instants are epoch ms."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


def day_of(ms: int, zone: ZoneInfo) -> date:
    """The business day an instant belongs to."""
    return datetime.fromtimestamp(ms / 1000, zone).date()


def start_of(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day; where the clocks skip midnight, the moment they are set (as fold 0 says)."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def day_floor(ms: int, zone: ZoneInfo) -> int:
    """Start of the business day of an instant."""
    return start_of(day_of(ms, zone), zone)


def next_day(ms: int, zone: ZoneInfo) -> int:
    """Start of the business day after that of an instant."""
    return start_of(day_of(ms, zone) + timedelta(days=1), zone)


def day_ceil(ms: int, zone: ZoneInfo) -> int:
    """The instant itself when a business day begins there, else the start of the next."""
    floor = day_floor(ms, zone)
    return ms if floor == ms else next_day(ms, zone)
