"""The public API, as a caller's project sees it: checked by mypy and pyright in their strict modes, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

import gzip
import io
import sys
from asyncio import StreamWriter
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, TextIO, TypeAlias, assert_type

from aiohttp import ClientSession, web
from distributed import Client
from opentelemetry import metrics, trace

from piriod_async import (
    PIRIOD,
    AccessReport,
    Aggregations,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Attempt,
    AuthenticationError,
    BadRequestError,
    Checkpoint,
    ConfigurationError,
    Contact,
    Country,
    Customer,
    CustomerListing,
    CustomerQuery,
    CustomerStatus,
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    InvalidRecord,
    InvalidRecords,
    MultipleCustomersError,
    NotFoundError,
    Page,
    PermissionDeniedError,
    PiriodError,
    PiriodSession,
    Progress,
    QueryError,
    RateLimitError,
    ResponseInfo,
    RetryPolicy,
    ServerError,
    State,
    UnexpectedStatusError,
    WorkspaceListing,
    WorkspaceProgress,
    export,
    piriod_context,
    piriod_errors,
)
from piriod_async.export.arrow_format import ArrowStreamEncoder
from piriod_async.export.parquet_format import ParquetEncoder
from piriod_async.integrations.dask import DatasetReport, customers_dataframe, customers_to_parquet
from piriod_async.integrations.opentelemetry import instrument
from piriod_async.mirror import Change, Mirror, MirrorError, Run, Sync, TooManyRemovedError
from piriod_async.testing.mock_server import MockServer, Unchecked

Skipped: TypeAlias = list[tuple[str, str | None, str, bytes]]


async def sleepless(seconds: float) -> None:
    assert_type(seconds, float)


async def vault_token() -> str:
    return "token"


async def sessions(client: ClientSession) -> None:
    retry = RetryPolicy(attempts=3, wait_initial=0.1, wait_max=5, max_retry_after=60, max_elapsed=None, sleep=sleepless)
    assert_type(retry.attempts, int)
    assert_type(retry.max_elapsed, float | None)
    piriod = PiriodSession(
        "token",
        "acc_1",
        test_mode=True,
        base_url="https://api.piriod.com",
        client_session=client,
        concurrency=4,
        timeout=10,
        retry=retry,
        max_page_bytes=1_000_000,
    )
    assert_type(piriod, PiriodSession)
    assert_type(piriod.stats.in_flight, int)
    assert_type(piriod.stats.paused_until, float | None)
    assert_type(piriod.stats.bytes_received, int)
    assert_type(await piriod.close(), None)
    async with PiriodSession(token="token", workspace=None) as bare:
        assert_type(bare, PiriodSession)
    async with PiriodSession.from_env(timeout=10.0, client_session=None) as known:
        assert_type(known, PiriodSession)
    PiriodSession(vault_token, "acc_1")
    PiriodSession(lambda: "token")
    PiriodSession(lambda: 5)  # type: ignore[arg-type,return-value]
    other = piriod.with_options(token=vault_token, workspace="acc_2", timeout=5.0, retry=retry, on_attempt=None)
    assert_type(other, PiriodSession)
    piriod.with_options(concurrency=5)  # type: ignore[call-arg]
    assert_type(piriod.across(["acc_1", other]), WorkspaceListing)
    piriod.across([other, other])
    piriod.across(other.with_options(workspace=name) for name in ("acc_1", "acc_2"))
    piriod.across([5])  # type: ignore[list-item]
    PiriodSession("token", timeout="10")  # type: ignore[arg-type]
    PiriodSession.from_env(token="token", workspace=None)
    PiriodSession.from_env("acc_1", token=lambda: "token")
    PiriodSession.from_env(token=5)  # type: ignore[arg-type]


class AsyncFile:
    """A file of aiofiles or anyio."""

    async def write(self, b: bytes | bytearray | memoryview) -> int:
        return len(b)


async def exports(listing: CustomerListing, path: Path, file: BinaryIO) -> None:
    assert_type(await export.write_jsonl(listing, path, fields=["id"]), int)
    assert_type(await export.write_csv(listing, "a.csv", escape_formulas=False, contacts=file, bom=True), int)
    assert_type(await export.write_parquet(listing, file, fields=export.FIELDS, row_group_size=1_000), int)
    encoder: export.Encoder = export.CsvEncoder(["id"])
    assert_type(encoder.header() + encoder.encode(await listing.collect(), "acc_1") + encoder.footer(), bytes)
    await export.write_csv(path, path)  # type: ignore[arg-type]


async def targets(listing: CustomerListing, response: web.StreamResponse, stream: StreamWriter) -> None:
    await export.write_csv(listing, gzip.GzipFile("a.csv.gz", "wb"), contacts=gzip.open("b.csv.gz", "wb"))  # noqa: SIM115
    await export.write_jsonl(listing, io.BytesIO())
    await export.write_jsonl(listing, sys.stdout.buffer)
    await export.write_parquet(listing, io.FileIO("a.parquet", "wb"))
    await export.write_parquet(listing, AsyncFile())
    await export.write_csv(listing, response)
    await export.write_jsonl(listing, stream)
    target: export.Target = NamedTemporaryFile()  # noqa: SIM115
    await export.write_csv(listing, target)
    encoders: list[export.Encoder] = [
        ArrowStreamEncoder(),
        ParquetEncoder(row_group_size=10),
        export.JsonLinesEncoder(),
    ]
    assert_type(encoders[0].footer(), bytes)
    await export.write_csv(listing, io.StringIO())  # type: ignore[arg-type]
    await export.write_parquet(listing, sys.stdout)  # type: ignore[arg-type]
    await export.write_jsonl(listing, 1)  # type: ignore[arg-type]


async def listings(piriod: PiriodSession, since: datetime, plan: dict[str, str], kept: Mapping[str, str]) -> None:
    listing = piriod.customers(
        workspace="acc_2",
        country="CL",
        email="a+b@c.cl",
        name="Ñandú",
        tax_id="76.123.456-K",
        created__gte=since,
        created__lte=None,
        subscriptions="sub_1",
        sources="src_1",
        metadata=plan,
        ordering="-created",
        page_size=50,
        after=None,
        check_filters=False,
        on_invalid="skip",
    )
    assert_type(listing, CustomerListing)
    assert_type(listing.query, CustomerQuery)
    assert_type(listing.query.created__gte, datetime | None)
    assert_type(listing.query.metadata, Mapping[str, str] | None)
    assert_type(listing.workspace, str)
    async for customer in listing:
        assert_type(customer, Customer)
        assert_type(listing.progress, Progress)
        assert_type(listing.checkpoint, Checkpoint | None)
    async with listing as same:
        assert_type(same, CustomerListing)
    async for page in listing.pages():
        assert_type(page, Page)
        assert_type(page.customers, tuple[Customer, ...])
        assert_type(page.count, int)
        assert_type(page.response, ResponseInfo | None)
        assert_type(page.raw, bytes)
    assert_type(aiter(listing), AsyncGenerator[Customer, None])
    assert_type(listing.pages(), AsyncGenerator[Page, None])
    assert_type(await listing.count(), int)
    assert_type(await listing.first(), Customer | None)
    assert_type(await listing.one_or_none(), Customer | None)
    assert_type(await listing.collect(), list[Customer])
    assert_type(await listing.split(4), list[CustomerListing])
    assert_type(listing.invalid, InvalidRecords)
    assert_type(listing.invalid.total, int)
    assert_type(listing.invalid[0], InvalidRecord)
    assert_type([(record.path, record.record_id, record.reason, record.raw) for record in listing.invalid], Skipped)
    assert_type([customer.name async for customer in piriod.customers(metadata=kept, ordering=None)], list[str])
    piriod.customers(countr="CL")  # type: ignore[call-arg]
    piriod.customers("CL")  # type: ignore[call-arg]
    piriod.customers(country=56)  # type: ignore[arg-type]
    piriod.customers(created__gte="2031-05-05")  # type: ignore[arg-type]
    piriod.customers(metadata={"seats": 5})  # type: ignore[dict-item]
    piriod.customers(on_invalid="ignore")  # type: ignore[arg-type]
    piriod.customers(page_size="20")  # type: ignore[arg-type]
    piriod.across(["acc_1"], countr="CL")  # type: ignore[call-arg]
    piriod.across(["acc_1"], on_error="ignore")  # type: ignore[arg-type]
    piriod.across([1])  # type: ignore[list-item]
    piriod.across("acc_1")  # type: ignore[arg-type]
    piriod.across(b"acc_1")  # type: ignore[arg-type]


async def workspaces(
    piriod: PiriodSession,
    collections: list[list[str] | tuple[str, ...] | set[str] | frozenset[str] | deque[str] | Collection[str]],
    file: TextIO,
    source: AsyncIterator[str],
) -> None:
    async with piriod.across(["acc_1", "acc_2"], on_error="collect", country="CL", page_size=50) as listing:
        assert_type(listing, WorkspaceListing)
        async for workspace, customer in listing:
            assert_type(workspace, str)
            assert_type(customer, Customer)
        async for workspace, page in listing.pages():
            assert_type((workspace, page), tuple[str, Page])
    assert_type(await listing.collect(), dict[str, list[Customer]])
    for ids in collections:
        assert_type(piriod.across(ids), WorkspaceListing)
    assert_type(piriod.across(each for each in ("acc_1", "acc_2")), WorkspaceListing)
    assert_type(piriod.across({"acc_1": 1}), WorkspaceListing)
    assert_type(piriod.across({"acc_1": 1}.keys()), WorkspaceListing)
    assert_type(piriod.across(map(str.strip, file)), WorkspaceListing)
    assert_type(piriod.across(file), WorkspaceListing)
    assert_type(piriod.across(source), WorkspaceListing)
    assert_type(listing.errors, dict[str, PiriodError])
    assert_type(listing.invalid, dict[str, InvalidRecords])
    assert_type(listing.progress, WorkspaceProgress)
    assert_type(listing.progress.workspaces["acc_1"], Progress)
    listing.raise_for_errors()


def observed(token: str) -> PiriodSession:
    def note(attempt: Attempt) -> None:
        assert_type(attempt.status, int | None)
        assert_type(attempt.next_wait, float | None)
        assert_type(attempt.error, PiriodError | None)

    async def wait(attempt: Attempt) -> None:
        note(attempt)

    PiriodSession(token, on_attempt=wait)  # type: ignore[arg-type]
    attempts: list[Attempt] = []
    return PiriodSession(token, on_attempt=attempts.append if attempts else note)


def queries(since: datetime) -> None:
    query = CustomerQuery(country="CL", created__gte=since, metadata={"plan": "gold"}, ordering=None, page_size=20)
    assert_type(query.country, str | None)
    assert_type(query.ordering, str | None)
    assert_type(query.orders_by_created, bool)
    query.country = "MX"  # type: ignore[misc]
    if query.metadata:
        query.metadata["plan"] = "silver"  # type: ignore[index]
    CustomerQuery(country=56)  # type: ignore[arg-type]
    CustomerQuery(metadata=5)  # type: ignore[arg-type]
    CustomerQuery(page_size="20")  # type: ignore[arg-type]


def checkpoints(piriod: PiriodSession, saved: str | bytes) -> str:
    checkpoint = Checkpoint.from_json(saved)
    assert_type(checkpoint, Checkpoint)
    assert_type(checkpoint.ordering, str)
    assert_type(checkpoint.created, datetime)
    assert_type(checkpoint.ids, frozenset[str])
    assert_type(checkpoint.query, str)
    assert_type(piriod.customers(after=checkpoint), CustomerListing)
    return checkpoint.to_json()


def progress(now: Progress) -> None:
    assert_type(now.total, int | None)
    assert_type(now.delivered, int)
    assert_type(now.invalid, int)
    assert_type(now.requests, int)
    assert_type(now.retries, int)
    assert_type(now.paused_until, float | None)


def records(customer: Customer) -> Decimal:
    assert_type(customer.id, str)
    assert_type(customer.name, str)
    assert_type(customer.tax_id, str | None)
    assert_type(customer.country, Country | None)
    assert_type(customer.state, State | None)
    assert_type(customer.contacts, tuple[Contact, ...])
    assert_type(customer.sources, tuple[str, ...])
    assert_type(customer.aggregations, Aggregations)
    assert_type(customer.aggregations.balance, Decimal | None)
    assert_type(customer.metadata, dict[str, Any])
    assert_type(customer.tax_settings, dict[str, Any])
    assert_type(customer.send_invoices, bool | None)
    assert_type(customer.test_mode, bool | None)
    assert_type(customer.created, datetime | None)
    assert_type(customer.status, CustomerStatus | None)
    if customer.country:
        assert_type(customer.country.id, str)
        assert_type(customer.country.currencies, tuple[str, ...])
        assert_type(customer.country.tax_percent, Decimal | None)
    if customer.state:
        assert_type(customer.state.id, int | str)
    for contact in customer.contacts:
        assert_type(contact.name, str)
        assert_type(contact.orgunit, str | None)
        assert_type(contact.collections, bool | None)
        assert_type(contact.created, datetime | None)
    assert_type(customer.to_dict(), dict[str, Any])
    assert_type(customer.to_dict(decimals="keep"), dict[str, Any])
    assert_type(customer.to_json(), str)
    assert_type(Customer.from_dict({"id": "cus_1"}), Customer)
    assert_type(Customer.from_json(b"{}"), Customer)
    customer.to_dict("keep")  # type: ignore[call-arg]
    customer.to_dict(decimals="number")  # type: ignore[arg-type]
    Customer.from_dict("cus_1")  # type: ignore[arg-type]
    Customer.from_json({})  # type: ignore[arg-type]
    customer.name = "x"  # type: ignore[misc]
    return customer.aggregations.balance or Decimal(0)


def statuses(status: CustomerStatus) -> str:
    match status:
        case CustomerStatus.ACTIVE:
            return "in"
        case CustomerStatus.ARCHIVED | CustomerStatus.PENDING:
            return "out"
        case _:
            return f"{status.value}, which is new"


def made_up() -> Page:
    customer = Customer(
        id="cus_1",
        name="N",
        country=Country(id="CL"),
        state=State(id=7),
        contacts=(Contact(name="Ana"),),
        aggregations=Aggregations(balance=Decimal("1.10")),
        status=CustomerStatus("en_mora"),
    )
    Customer(name="N")  # type: ignore[call-arg]
    return Page(customers=(customer,), count=1, raw=b"")


async def mistakes(listing: CustomerListing) -> ValueError | None:
    try:
        await listing.collect()
    except (ConfigurationError, QueryError) as error:
        wrong: ValueError = error
        return wrong
    return None


async def answers(listing: CustomerListing) -> APIStatusError | None:
    try:
        await listing.collect()
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
        if error.response:
            assert_type(error.response.headers, Mapping[str, str])
            assert_type(error.response.request_id, str | None)
    except BadRequestError as error:
        assert_type(error.errors, dict[str, list[str]])
    except (AuthenticationError, PermissionDeniedError, NotFoundError, ServerError, UnexpectedStatusError) as error:
        assert_type(error.request_id, str | None)
        return error
    except APIStatusError as error:
        assert_type(error.status, int)
        assert_type(error.detail, str)
        assert_type(error.body, bytes)
    return None


async def failures(listing: CustomerListing) -> PiriodError | None:
    try:
        await listing.collect()
    except APITimeoutError as error:
        lost: APIConnectionError = error
        return lost
    except DecodeError as error:
        assert_type(error.path, str)
        assert_type(error.record_id, str | None)
        assert_type(error.checkpoint, Any)
    except IncompleteListError as error:
        assert_type(error.checkpoint, Any)
    except MultipleCustomersError as error:
        assert_type(error.ids, tuple[str, ...])
        assert_type(error.count, int)
    except (FilterIgnoredError, PiriodError) as error:
        assert_type(error.attempts, int)
        assert_type(error.retryable, bool)
    return None


OTHER: web.AppKey[PiriodSession] = web.AppKey("other", PiriodSession)


async def handler(request: web.Request) -> web.Response:
    piriod = request.app[PIRIOD]
    assert_type(piriod, PiriodSession)
    return web.json_response({"customers": await piriod.customers().count()})


async def healthz(request: web.Request) -> web.Response:
    report = await request.app[PIRIOD].check(workspace="acc_1")
    assert_type(report, AccessReport)
    assert_type(report.server_date, datetime | None)
    return web.json_response({"customers": report.customers, "latency": report.latency})


def application() -> web.Application:
    app = web.Application(middlewares=[piriod_errors])
    context = piriod_context("token", "acc_1", timeout=5.0)
    assert_type(context, Callable[[web.Application], AsyncIterator[None]])
    app.cleanup_ctx.append(context)
    app.cleanup_ctx.append(piriod_context(token="token", key=OTHER, test_mode=True))
    app.router.add_get("/", handler)
    piriod_context("token", color="red")  # type: ignore[call-arg]
    return app


async def mock_server() -> None:
    async with MockServer(customers=100, seed=7) as server, server.session() as piriod:
        assert_type(piriod, PiriodSession)
        instrument(piriod)
        instrument(piriod, tracer_provider=trace.get_tracer_provider(), meter_provider=metrics.get_meter_provider())
        assert_type(server.url, str)
        assert_type(server.add(name="Ñandú"), str)
        server.fail(status=503, times=2, retry_after=1)
        server.rate_limit(rate=50)


def mock_server_in_a_thread(customers: list[Customer]) -> None:
    with MockServer(customers=customers) as server:
        assert_type(server.url, str)
        assert_type(server.add(customers[0], name=Unchecked(5)), str)
    MockServer(customers=[{"id": "cus_1", "name": "Ñandú"}])
    MockServer({"acc_1": 5, "acc_2": customers, "acc_3": [{"id": "cus_1"}]})
    MockServer(customers="cus_1")  # type: ignore[arg-type]


async def mirror(piriod: PiriodSession) -> None:
    async with Mirror(Path("customers.db"), ignore=("updated",)) as copy:
        sync = await copy.sync(piriod.customers(country="CL"), max_removed=5, quick=True)
        assert_type(sync, Sync)
        assert_type(sync.removed, int | None)
        assert_type((await copy.sync(piriod.across(["acc_1"]), max_removed=0.5)).workspaces, dict[str, Sync])
        async for change in copy.changes(since=sync.previous_run):
            assert_type(change, Change)
            assert_type(change.fields, dict[str, tuple[Any, Any]])
        async for workspace, customer in copy.customers(at=sync.run):
            assert_type((workspace, customer), tuple[str, Customer])
        assert_type(await copy.find(tax_id="76.123.456-7"), list[tuple[str, Customer]])
        assert_type(await copy.runs(), list[Run])
        assert_type(await copy.complete_as_of(), datetime | None)
        assert_type(await copy.prune(before=3), int)
        try:
            await copy.sync(piriod.customers(), accept_removed=812)
        except TooManyRemovedError as error:
            assert_type(error.names, tuple[str, ...])
        except MirrorError:
            pass
        await copy.sync([])  # type: ignore[arg-type]


def cluster(client: Client) -> None:
    report = customers_to_parquet({"TOKEN_A": ["acc_1"]}, Path("lake"), client=client, country="CL", resume=True)
    assert_type(report, DatasetReport)
    assert_type(report.complete, dict[str, int])
    assert_type(report.errors, dict[str, PiriodError])
    customers_to_parquet(["acc_1"], "s3://lake", client=client, session_options={"test_mode": True}, on_batch=print)
    customers_to_parquet(["acc_1"], "lake", client=client, contry="CL")  # type: ignore[call-arg]
    len(customers_dataframe(["acc_1"], client=client, fields=["id"]))
