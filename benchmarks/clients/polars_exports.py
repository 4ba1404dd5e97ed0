"""Exports by polars, from the dicts of `json.loads`: the list is in memory, amounts are floats, times are text."""

import json
from typing import Any

import polars as pl

from benchmarks.clients.bare_aiohttp import for_each_page
from benchmarks.clients.config import ClientConfig
from benchmarks.clients.exports import CSV_FIELDS, flatten, null_device


async def csv_file(config: ClientConfig) -> int:
    """The rows of `exports.dict_writer`, of the columns alone: polars would look at the rest too."""
    rows: list[dict[str, Any]] = []

    def add(body: bytes) -> None:
        flat = map(flatten, json.loads(body)["results"])
        rows.extend({name: row[name] for name in CSV_FIELDS} for row in flat)

    await for_each_page(config, add)
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_csv(null_device())
    return frame.height


async def parquet(config: ClientConfig) -> int:
    """All records tell the types, because the first 100 need not have each key of `metadata`."""
    records: list[dict[str, Any]] = []
    await for_each_page(config, lambda body: records.extend(json.loads(body)["results"]))
    frame = pl.DataFrame(records, infer_schema_length=None)
    frame.write_parquet(null_device())
    return frame.height
