"""Customers in files and tables: JSON lines, CSV, Parquet, Arrow.

```python
from piriod_async import PiriodSession, export

async with PiriodSession.from_env() as piriod:
    await export.write_csv(piriod.customers(country="CL"), "customers.csv", contacts="contacts.csv")
    await export.write_parquet(piriod.customers(), "customers.parquet")  # pip install 'piriod-async[arrow]'
    table = await export.to_arrow(piriod.customers())
```

All stream: memory does not grow with the list (but for the table of `to_arrow`). A file given by its path appears under
its name once it is whole. `JsonLinesEncoder`, `CsvEncoder`, `ContactsCsvEncoder` and `arrow.ArrowStreamEncoder` give the bytes piece by piece, to
write them elsewhere. Nothing here is loaded by `import piriod_async`.
"""

from piriod_async.export.csv_format import COLUMNS, CONTACT_COLUMNS, ContactsCsvEncoder, CsvEncoder, cells
from piriod_async.export.fields import FIELDS, ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.export.writers import Encoder, Target, to_arrow, write_csv, write_jsonl, write_parquet

__all__ = [
    "COLUMNS",
    "CONTACT_COLUMNS",
    "FIELDS",
    "ContactsCsvEncoder",
    "CsvEncoder",
    "Encoder",
    "ExportError",
    "JsonLinesEncoder",
    "Target",
    "cells",
    "to_arrow",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]
