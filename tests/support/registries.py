"""A small good registry as text, for tests that spoil it and read the faults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from metric_defs import Fault, RegistryError, load_registry

GOOD: Mapping[str, str] = {
    "registry.yaml": "registry: shop\nzone: Asia/Shanghai\ncurrency: CNY\n",
    "events/sales.yaml": """\
event: sales
topic: shop.sales
description: {zh: 销售, en: Sales}
key: shop
time: at
dedupe:
  key: [id]
  horizon: 1h
allowed_lateness: 1m
raw:
  keep: true
fields:
  id: {type: string, required: true}
  at: {type: timestamp, required: true}
  shop: {type: string, required: true}
  kind: {type: string, values: [paid, refund]}
  person: {type: string}
  cents: {type: integer, default: 0}
  gift: {type: boolean}
  weight: {type: number}
""",
    "metrics.yaml": """\
measures:
  - measure: paid
    event: sales
    expr: sum(cents)
    filter: kind = 'paid'
  - measure: people
    event: sales
    expr: uniqExact(person)
metrics:
  - metric: pay_amt
    version: 1
    name: {zh: 支付, en: Paid}
    description: {zh: 支付金额, en: Paid amount}
    type: simple
    measure: paid
    unit: money
    owner: trade
    dimensions: [shop]
  - metric: buyers
    version: 1
    name: {zh: 买家, en: Buyers}
    description: {zh: 买家数, en: Distinct buyers}
    type: simple
    measure: people
    unit: people
    owner: trade
    dimensions: [shop]
    additivity: {shop: non_additive}
  - metric: aov
    version: 1
    name: {zh: 客单价, en: Per buyer}
    description: {zh: 每位买家, en: Per buyer}
    type: ratio
    numerator: pay_amt
    denominator: buyers
    unit: money
    owner: trade
    dimensions: [shop]
""",
    "cubes.yaml": """\
cubes:
  - cube: total
    dimensions: []
  - cube: by_shop
    dimensions: [shop]
""",
}


def write_registry(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write the files of a registry below ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def spoilt(file: str, old: str, new: str) -> dict[str, str]:
    """The good registry with the one place ``old`` of a file replaced."""
    assert GOOD[file].count(old) == 1, f"{old!r} must stand once in {file}"
    return {**GOOD, file: GOOD[file].replace(old, new)}


def faults_of(root: Path) -> tuple[Fault, ...]:
    """What is wrong with the registry below ``root``; nothing: ()."""
    try:
        load_registry(root)
    except RegistryError as exc:
        return exc.faults
    return ()


def line_of(text: str, words: str) -> int:
    """1-based line of the first place of ``words``."""
    assert words in text, f"{words!r} does not stand in the text"
    return text[: text.index(words)].count("\n") + 1
