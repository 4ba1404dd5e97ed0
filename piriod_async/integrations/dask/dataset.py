"""A dataset of Parquet files: one for each workspace, `workspace=acc_1/customers.parquet`, which appears when complete.

A path is a folder that all workers share, or a URL for which fsspec has a file system, such as `s3://bucket/customers`.
"""

import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import quote

import fsspec
import msgspec
from attrs import define, field, frozen

from piriod_async.export.atomic_file import named_in_errors, replace_file
from piriod_async.export.fields import ExportError
from piriod_async.models import Customer

REPORT = "_report.json"
Range: TypeAlias = tuple[datetime | None, datetime | None]
"""The times of `created__gte` and `created__lte`."""
_PARTIAL = "_partial"  # readers of datasets skip names that begin with an underscore


@frozen(slots=False)  # cached_property
class Dataset:
    """The files of a dataset.

    Attributes:
        path: Its folder, or a URL.
        fields: Some of `FIELDS`; all if None.
        run: Id of this run. A file of this run is complete, though its batch was begun on a worker that died.
        resume: Whether the file of an earlier run with the same query counts too.
        customers_per_part: Customers of a workspace to keep in one part until all are there; None for no parts.
    """

    path: str
    fields: tuple[str, ...] | None
    run: str
    resume: bool
    customers_per_part: int | None

    @staticmethod
    def absolute(path: str | os.PathLike[str]) -> str:
        """Return the path for workers, which may run in other folders.

        Raises:
            ExportError: It is a file.
        """
        text = os.fspath(path)
        if "://" in text:
            return text
        if os.path.exists(text) and not os.path.isdir(text):  # noqa: PTH110, PTH112 (a text)
            raise ExportError(f"path={text!r}: expected a folder, but it is a file")
        return os.path.abspath(text)  # noqa: PTH100 (keeps symbolic links)

    @cached_property
    def _file_system(self) -> tuple[Any, str]:
        file_system, root = fsspec.url_to_fs(self.path)
        return file_system, root.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether the path is a folder, where files are renamed into place."""
        return "://" not in self.path

    def name(self, workspace: str, *, part: int | None = None) -> str:
        """Return the name of the file of a workspace, or of a part of it."""
        if part is not None:
            return f"{self._parts(workspace)}/{part}.parquet"
        return f"{self._file_system[1]}/workspace={quote(workspace, safe='')}/customers.parquet"

    def _parts(self, workspace: str) -> str:
        return f"{self._file_system[1]}/{_PARTIAL}/workspace={quote(workspace, safe='')}"

    def _counts(self, texts: Mapping[str, str], query: str) -> bool:
        return texts.get("run") == self.run or (self.resume and texts.get("query") == query)

    def complete_rows(self, name: str, query: str) -> tuple[int, bool] | None:
        """Return the rows of a file that need not be read again, and whether this run wrote it; else None.

        Args:
            name: Its name.
            query: Distinguishes what is to be read.
        """
        from piriod_async.export.parquet_format import read_index  # noqa: PLC0415 (needs an extra)

        try:
            with self._file_system[0].open(name, "rb") as file:
                rows, texts = read_index(file)
        except (OSError, ValueError):  # missing, or something else of that name
            return None
        return (rows, texts.get("run") == self.run) if self._counts(texts, query) else None

    def create(self, name: str, query: str) -> "DatasetFile":
        """Open a file for writing."""
        from piriod_async.export.parquet_format import ParquetEncoder  # noqa: PLC0415 (needs an extra)

        encoder = ParquetEncoder(self.fields, metadata={"query": query, "run": self.run})
        folder = Path(self.path, _PARTIAL) if self.is_local else Path(tempfile.gettempdir())
        path = folder / f"{self.run}-{secrets.token_hex(8)}.parquet"
        with named_in_errors(self.path if self.is_local else folder):
            folder.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        file.write(encoder.header())
        return DatasetFile(self, name, path, file, encoder)

    def put(self, path: Path, name: str) -> None:
        """Move a complete file to its name: renamed, or uploaded."""
        if self.is_local:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, Path(name))
        else:
            self._file_system[0].put_file(str(path), name)
            path.unlink()

    def join(self, parts: Iterable[str], name: str, query: str) -> int:
        """Write the file of all parts, and return its rows."""
        file = self.create(name, query)
        try:
            for part in parts:
                with self._file_system[0].open(part, "rb") as source:
                    file.copy(source)
            file.complete()
        except BaseException:
            file.discard()
            raise
        return file.rows

    def write_ranges(self, workspace: str, query: str, ranges: Iterable[Range]) -> None:
        """Remember how a workspace is split, for the next attempt."""
        content = {"query": query, "run": self.run, "ranges": list(ranges)}
        self._file_system[0].makedirs(self._parts(workspace), exist_ok=True)
        self._file_system[0].pipe_file(f"{self._parts(workspace)}/ranges.json", msgspec.json.encode(content))

    def read_ranges(self, workspace: str, query: str) -> list[Range]:
        """Return how an earlier attempt split a workspace, if its parts count; else nothing."""
        try:
            content = msgspec.json.decode(self._file_system[0].cat_file(f"{self._parts(workspace)}/ranges.json"))
            ranges = msgspec.convert(content["ranges"], list[Range])
        except (FileNotFoundError, msgspec.MsgspecError, KeyError):
            return []
        return ranges if self._counts(content, query) else []

    def delete_parts(self, workspace: str) -> None:
        """Delete the parts of a workspace that is complete."""
        self._file_system[0].rm(self._parts(workspace), recursive=True)

    def write_report(self, report: dict[str, object]) -> None:
        """Write the report, and delete what workers of this run have left when they died."""
        file_system, root = self._file_system
        file_system.makedirs(root, exist_ok=True)
        file_system.pipe_file(f"{root}/{REPORT}", msgspec.json.format(msgspec.json.encode(report), indent=1))
        if self.is_local:
            for path in Path(root, _PARTIAL).glob(f"{self.run}-*.parquet"):
                path.unlink(missing_ok=True)
            with suppress(OSError):
                Path(root, _PARTIAL).rmdir()


@define(eq=False)
class DatasetFile:
    """The file of a workspace, while it is written. Its methods block.

    Attributes:
        rows: Customers written.
    """

    _dataset: Dataset = field(alias="dataset")
    _name: str = field(alias="name")
    _path: Path = field(alias="path")
    _file: BinaryIO = field(alias="file")
    _encoder: Any = field(alias="encoder")
    rows: int = field(default=0, init=False)

    def write(self, customers: Iterable[Customer]) -> None:
        """Append customers."""
        customers = list(customers)
        self._file.write(self._encoder.encode(customers))
        self.rows += len(customers)

    def copy(self, source: BinaryIO) -> None:
        """Append the rows of a Parquet file."""
        from piriod_async.export.parquet_format import read_index  # noqa: PLC0415 (needs an extra)

        self.rows += read_index(source)[0]
        self._file.writelines(self._encoder.copy(source))

    def complete(self) -> None:
        """Write the end, and move the file to its name."""
        self._file.write(self._encoder.footer())
        self._file.close()
        self._dataset.put(self._path, self._name)

    def discard(self) -> None:
        """Delete the file."""
        with suppress(OSError):  # a full disk: what is in the buffer cannot be written
            self._file.close()
        self._path.unlink(missing_ok=True)
