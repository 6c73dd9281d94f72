"""From columns to JSON text, without a Python object a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

Tree = dict[str, Any]
"""Nested JSON keys; a leaf is the name of a column."""


def tree_of(paths: Mapping[str, str]) -> Tree:
    """Where each column stands in the object: ``{'shop_id': 'shop.id'}`` gives ``{'shop': {'id': 'shop_id'}}``."""
    root: Tree = {}
    for column, path in paths.items():
        *outer, last = path.split(".")
        node = root
        for part in outer:
            node = node.setdefault(part, {})
        node[last] = column
    return root


def json_text(tree: Tree, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """JSON objects as a string column. A null is left out. Columns: String, integers, Float64 (finite) or Boolean."""
    members = [_member(name, leaf, schema) for name, leaf in tree.items()]
    return pl.concat_str([pl.lit("{"), pl.concat_str(members, ignore_nulls=True).str.strip_prefix(","), pl.lit("}")])


def _member(name: str, leaf: str | Tree, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    label = pl.lit(f',"{name}":')
    if isinstance(leaf, dict):
        return pl.concat_str([label, json_text(leaf, schema)])
    column = pl.col(leaf)
    kind = schema[leaf]
    if kind == pl.String:
        quoted = pl.struct(column.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(column.is_not_null()).then(pl.concat_str([label, quoted]))
    if kind.is_float():
        number = pl.struct(column.alias("v")).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
        return pl.when(column.is_not_null()).then(pl.concat_str([label, number]))
    return pl.concat_str([label, column.cast(pl.String)])


def as_bytes(column: pl.Series) -> list[bytes]:
    """A string column as Python bytes."""
    return column.cast(pl.Binary).to_list()
