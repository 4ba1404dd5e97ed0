"""Exports of a list, by this package and as people write them by hand.

They go to the null device, because the disk is not compared. Those by hand lose customers as `bare_aiohttp` does.
"""

import csv
import json
import os
from io import BytesIO, TextIOWrapper
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.clients.bare_aiohttp import for_each_page
from benchmarks.clients.config import ClientConfig
from piriod_async import PiriodSession, export

CSV_FIELDS = tuple(export.COLUMNS)


class Page(msgspec.Struct):
    """The records of a page, as JSON."""

    results: list[msgspec.Raw]


split_page = msgspec.json.Decoder(Page).decode


def null_device() -> BinaryIO:
    return open(os.devnull, "wb")  # noqa: PTH123


async def jsonl(config: ClientConfig) -> int:
    async with _session(config) as piriod:
        return await export.write_jsonl(piriod.customers(), null_device())


async def csv_file(config: ClientConfig) -> int:
    async with _session(config) as piriod:
        return await export.write_csv(piriod.customers(), null_device())


async def arrow(config: ClientConfig) -> int:
    async with _session(config) as piriod:
        return int((await export.to_arrow(piriod.customers())).num_rows)


async def parquet(config: ClientConfig) -> int:
    async with _session(config) as piriod:
        return await export.write_parquet(piriod.customers(), null_device())


async def dict_writer(config: ClientConfig) -> int:
    """`csv.DictWriter` on the dicts of `json.loads`: formulas are not escaped, amounts are floats."""
    with TextIOWrapper(null_device(), newline="") as file:
        writer = csv.DictWriter(file, CSV_FIELDS, extrasaction="ignore")
        writer.writeheader()

        def write(body: bytes) -> None:
            writer.writerows(map(flatten, json.loads(body)["results"]))

        return await for_each_page(config, write)


async def arrow_by_hand(config: ClientConfig) -> int:
    """`pyarrow.json` on the raw records: amounts are floats, and types are inferred."""
    records: list[bytes] = []
    await for_each_page(config, lambda body: records.extend(map(bytes, split_page(body).results)))
    table: pa.Table = pj.read_json(BytesIO(b"\n".join(records)))
    return int(table.num_rows)


async def parquet_by_hand(config: ClientConfig) -> int:
    """The same, written as Parquet: the list in memory."""
    records: list[bytes] = []
    await for_each_page(config, lambda body: records.extend(map(bytes, split_page(body).results)))
    table: pa.Table = pj.read_json(BytesIO(b"\n".join(records)))
    pq.write_table(table, null_device())
    return int(table.num_rows)


def flatten(record: dict[str, Any]) -> dict[str, Any]:
    """Return a superset of the cells of a record's row, for `CSV_FIELDS`."""
    country, state = record["country"] or {}, record["state"] or {}
    return {
        **record,
        **record["aggregations"],
        "country_id": country.get("id"),
        "country_name": country.get("name"),
        "state_id": state.get("id"),
        "state_name": state.get("name"),
        **{name: json.dumps(record[name]) for name in ("tax_settings", "metadata", "sources")},
    }


def _session(config: ClientConfig) -> PiriodSession:
    return PiriodSession(config.token, config.workspace, base_url=config.base_url, concurrency=config.concurrency)
