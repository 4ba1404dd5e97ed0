"""A dataset of Parquet files: one for each workspace, `workspace=acc_1/customers.parquet`, which appears when complete.

A path is a folder that all workers share, or a URL for which fsspec has a file system, such as `s3://bucket/customers`.
"""

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import fsspec
import msgspec
from attrs import define, field, frozen

from piriod_async.export.atomic_file import replace_file
from piriod_async.models import Customer

REPORT = "_report.json"
_PARTIAL = "_partial"  # readers of datasets skip names that begin with an underscore


@frozen(slots=False)  # cached_property
class Dataset:
    """The files of a dataset.

    Attributes:
        path: Its folder, or a URL.
        fields: Some of `FIELDS`; all if None.
        run: Id of this run. A file of this run is complete, though its batch was begun on a worker that died.
        resume: Whether the file of an earlier run with the same query counts too.
    """

    path: str
    fields: tuple[str, ...] | None
    run: str
    resume: bool

    @staticmethod
    def absolute(path: str | os.PathLike[str]) -> str:
        """Return the path for workers, which may run in other folders."""
        text = os.fspath(path)
        return text if "://" in text else os.path.abspath(text)  # noqa: PTH100 (keeps symbolic links)

    @cached_property
    def _file_system(self) -> tuple[Any, str]:
        file_system, root = fsspec.url_to_fs(self.path)
        return file_system, root.rstrip("/")

    @property
    def is_local(self) -> bool:
        """Whether the path is a folder, where files are renamed into place."""
        return "://" not in self.path

    def _name(self, workspace: str) -> str:
        return f"{self._file_system[1]}/workspace={quote(workspace, safe='')}/customers.parquet"

    def complete_rows(self, workspace: str, query: str) -> tuple[int, bool] | None:
        """Return the rows of a file that need not be read again, and whether this run wrote it; else None.

        Args:
            workspace: Its workspace.
            query: Distinguishes what is to be read.
        """
        from piriod_async.export.parquet_format import read_index  # noqa: PLC0415 (needs an extra)

        try:
            with self._file_system[0].open(self._name(workspace), "rb") as file:
                rows, texts = read_index(file)
        except (FileNotFoundError, ValueError):  # ValueError: something else of that name
            return None
        is_ours = texts.get("run") == self.run
        return (rows, is_ours) if is_ours or (self.resume and texts.get("query") == query) else None

    def create(self, workspace: str, query: str) -> "DatasetFile":
        """Open the file of a workspace for writing."""
        from piriod_async.export.parquet_format import ParquetEncoder  # noqa: PLC0415 (needs an extra)

        encoder = ParquetEncoder(self.fields, metadata={"query": query, "run": self.run})
        folder = Path(self.path, _PARTIAL) if self.is_local else Path(tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{secrets.token_hex(8)}.parquet"
        file = path.open("xb")
        file.write(encoder.header())
        return DatasetFile(self, self._name(workspace), path, file, encoder)

    def put(self, path: Path, name: str) -> None:
        """Move a complete file to its name: renamed, or uploaded."""
        if self.is_local:
            Path(name).parent.mkdir(exist_ok=True)
            replace_file(path, Path(name))
        else:
            self._file_system[0].put_file(str(path), name)
            path.unlink()

    def write_report(self, report: dict[str, object]) -> None:
        """Write the report, and delete what workers that died have left."""
        file_system, root = self._file_system
        file_system.makedirs(root, exist_ok=True)
        file_system.pipe_file(f"{root}/{REPORT}", msgspec.json.format(msgspec.json.encode(report), indent=1))
        if self.is_local:
            for path in Path(root, _PARTIAL).glob("*.parquet"):
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
