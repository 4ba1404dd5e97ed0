"""The clients that are compared, by the names that the tables use."""

from importlib import import_module

from benchmarks.clients.config import Client

PIRIOD = "piriod-async"
BARE = "aiohttp + msgspec"
BY_HAND = "by hand"
BYTES_ONLY = "aiohttp, bytes only"
CLIENTS = {  # "module:function", imported only where they run: each client's process has its own libraries
    PIRIOD: "piriod_client:read_all",
    BY_HAND: "by_hand:read_all",
    BARE: "bare_aiohttp:decode_all",
    BYTES_ONLY: "bare_aiohttp:download_all",
    "httpx + pydantic": "httpx_pydantic:read_all",
    "openapi-python-client": "generated:python_client",
    "openapi-generator": "generated:openapi_generator",
}
EXPORTS = {
    "JSON lines": "exports:jsonl",
    "CSV": "exports:csv_file",
    "Arrow": "exports:arrow",
    "Parquet": "exports:parquet",
    "CSV, csv.DictWriter": "exports:dict_writer",
    "Arrow, pyarrow.json": "exports:arrow_by_hand",
    "Parquet, pyarrow.json": "exports:parquet_by_hand",
    "CSV, polars": "polars_exports:csv_file",
    "Parquet, polars": "polars_exports:parquet",
}
SHORT_LISTS = {
    "across": "short_lists:read_across",
    "gather by hand": "short_lists:read_by_hand",
}


def load(name: str) -> Client:
    """Import a client's function."""
    module, _, function = (CLIENTS | EXPORTS | SHORT_LISTS)[name].partition(":")
    client: Client = getattr(import_module(f"benchmarks.clients.{module}"), function)
    return client
