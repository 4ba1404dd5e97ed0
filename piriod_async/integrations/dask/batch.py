"""The task that writes a batch: a file for each workspace."""

from contextlib import aclosing
from math import ceil

from piriod_async.export.threads import run_in_thread
from piriod_async.integrations.dask.dataset import Dataset
from piriod_async.integrations.dask.plan import Batch
from piriod_async.integrations.dask.reading import Reading
from piriod_async.integrations.dask.report import DatasetReport
from piriod_async.integrations.dask.worker import WorkerSession, run_with_session
from piriod_async.listing import CustomerListing


def write_batch(batch: Batch, reading: Reading, dataset: Dataset) -> DatasetReport:
    """Write the files of a batch: the task that workers run."""
    return run_with_session(
        batch.token,
        reading.session_options,
        lambda session: _BatchWriter(session, batch, reading, dataset).write(),
    )


class _BatchWriter:
    """Writes the files of a batch."""

    def __init__(self, session: WorkerSession, batch: Batch, reading: Reading, dataset: Dataset) -> None:
        self._counted = session
        self._session = session.session
        self._batch, self._reading, self._dataset = batch, reading, dataset
        self._report = DatasetReport()

    async def write(self) -> DatasetReport:
        """Read the workspaces that are not complete yet, and return the report."""
        requests, throttled = self._session.stats.requests, self._counted.throttled
        remaining = [each for each in self._batch.workspaces if not await run_in_thread(self._is_complete, each)]
        workspaces = self._session.across(remaining, on_error="collect", **self._reading.arguments)
        await workspaces.for_each(self._write_file)
        self._report.errors = workspaces.errors
        self._report.requests = self._session.stats.requests - requests
        self._report.throttled = self._counted.throttled - throttled
        return self._report

    async def _write_file(self, listing: CustomerListing) -> None:
        workspace, name = listing.workspace, self._dataset.name(listing.workspace)
        parts = await self._split(listing)
        if len(parts) == 1:
            self._report.complete[workspace] = await self._write_listing(listing, name)
            return
        names = [self._dataset.name(workspace, part=number) for number in range(len(parts))]
        for part, part_name in zip(parts, names, strict=True):
            if not await run_in_thread(self._dataset.complete_rows, part_name, self._query(part)):
                await self._write_listing(part, part_name)
        rows = await run_in_thread(self._dataset.join, names, name, self._query(listing))
        self._report.complete[workspace] = rows
        await run_in_thread(self._dataset.delete_parts, workspace)

    async def _split(self, listing: CustomerListing) -> list[CustomerListing]:
        """Return the parts to read: those of an attempt that died, if there was one, because their files are of use."""
        size = self._dataset.customers_per_part
        count = await listing.count() if size else 0
        if not size or count <= size:
            return [listing]
        query = self._query(listing)
        if known := await run_in_thread(self._dataset.read_ranges, listing.workspace, query):
            return [listing.with_query(created__gte=gte, created__lte=lte) for gte, lte in known]
        parts = await listing.split(ceil(count / size))
        ranges = [(part.query.created__gte, part.query.created__lte) for part in parts]
        await run_in_thread(self._dataset.write_ranges, listing.workspace, query, ranges)
        return parts

    async def _write_listing(self, listing: CustomerListing, name: str) -> int:
        file = await run_in_thread(self._dataset.create, name, self._query(listing))
        try:
            async with aclosing(listing.pages()) as pages:
                async for page in pages:
                    await run_in_thread(file.write, page.customers)
            await run_in_thread(file.complete)
        except BaseException:
            await run_in_thread(file.discard)
            raise
        if listing.invalid:
            invalid = self._report.invalid
            invalid[listing.workspace] = invalid.get(listing.workspace, 0) + listing.invalid.total
        return file.rows

    def _is_complete(self, workspace: str) -> bool:
        listing = self._session.customers(workspace=workspace, **self._reading.arguments)
        found = self._dataset.complete_rows(self._dataset.name(workspace), self._query(listing))
        if found:
            rows, is_ours = found
            (self._report.complete if is_ours else self._report.skipped)[workspace] = rows
        return found is not None

    def _query(self, listing: CustomerListing) -> str:
        """Return a text that distinguishes the content of a file."""
        names = ",".join(self._dataset.fields or ())
        return f"{listing.fingerprint}&fields={names}&on_invalid={self._reading.arguments['on_invalid']}"
