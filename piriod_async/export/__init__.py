"""Export customers to JSON lines, CSV, Parquet or Arrow.

```python
from piriod_async import PiriodSession, export

async with PiriodSession.from_env() as piriod:
    await export.write_csv(piriod.customers(country="CL"), "customers.csv", contacts="contacts.csv")
    await export.write_parquet(piriod.customers(), "customers.parquet")  # pip install 'piriod-async[arrow]'
    table = await export.to_arrow(piriod.customers())
```

The writers stream: memory use does not grow with the list (except for the table that `to_arrow` returns). A file given
by its path is renamed into place when it is complete. Anything else with `write(bytes)`, async or not, stays open; once
a cancelled export has raised its `CancelledError`, it writes no more.

To send the bytes elsewhere, use an encoder: `JsonLinesEncoder`, `CsvEncoder`, `ContactsCsvEncoder`,
`arrow_format.ArrowStreamEncoder` or `parquet_format.ParquetEncoder`.

`import piriod_async` does not load this package.
"""

from piriod_async.export.atomic_file import Target
from piriod_async.export.csv_format import COLUMNS, CONTACT_COLUMNS, ContactsCsvEncoder, CsvEncoder, csv_row
from piriod_async.export.fields import FIELDS, ExportError
from piriod_async.export.jsonl_format import JsonLinesEncoder
from piriod_async.export.write_all import BinaryWriter
from piriod_async.export.writers import Encoder, to_arrow, write_csv, write_jsonl, write_parquet

__all__ = [
    "COLUMNS",
    "CONTACT_COLUMNS",
    "FIELDS",
    "BinaryWriter",
    "ContactsCsvEncoder",
    "CsvEncoder",
    "Encoder",
    "ExportError",
    "JsonLinesEncoder",
    "Target",
    "csv_row",
    "to_arrow",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]
