"""The command line: customers as JSON lines, and the sandbox to try things on."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import msgspec

from piriod_async.errors import ConfigurationError, PiriodError
from piriod_async.session import PiriodSession

SANDBOX_CUSTOMERS = 1_000
_json = msgspec.json.Encoder(decimal_format="number")  # 1.10 stays 1.10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What stands behind the program's name; the process's own if None.

    Returns:
        The exit code: 0, 1 for an error, 130 for Ctrl-C. (Wrong usage exits with 2.)
    """
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(options.command(options))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has had enough, as in `… | head`; nothing may be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (PiriodError, OSError) as error:
        print(f"piriod-async: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


async def _customers(options: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        session = await _session(options, stack)
        listing = session.customers(
            workspace=options.workspace,
            country=options.country,
            email=options.email,
            name=options.name,
            tax_id=options.tax_id,
            created__gte=options.created_gte,
            created__lte=options.created_lte,
            subscriptions=options.subscriptions,
            sources=options.sources,
            metadata=dict(options.metadata) if options.metadata else None,
            ordering=options.ordering or None,
            page_size=options.page_size,
        )
        async for page in listing.pages():
            sys.stdout.buffer.write(b"".join(_json.encode(customer) + b"\n" for customer in page.customers))
            sys.stdout.buffer.flush()


async def _session(options: argparse.Namespace, stack: AsyncExitStack) -> PiriodSession:
    if options.sandbox is not None:
        from piriod_async.sandbox import Sandbox  # noqa: PLC0415 (only those who use it pay for it)

        sandbox = await stack.enter_async_context(Sandbox(customers=options.sandbox))
        return await stack.enter_async_context(sandbox.session(test_mode=options.test_mode))
    if not os.environ.get("PIRIOD_TOKEN"):
        raise ConfigurationError("set PIRIOD_TOKEN and PIRIOD_WORKSPACE in the environment, or try it with --sandbox")
    overrides: Any = {"test_mode": True} if options.test_mode else {}
    return await stack.enter_async_context(PiriodSession.from_env(**overrides))


async def _sandbox(options: argparse.Namespace) -> None:
    from piriod_async.sandbox import Sandbox  # noqa: PLC0415

    async with Sandbox(customers=options.customers, port=options.port) as sandbox:
        print(f"PIRIOD_BASE_URL={sandbox.url} PIRIOD_TOKEN={sandbox.token} PIRIOD_WORKSPACE={sandbox.workspace}")
        print(
            f"curl -H 'Authorization: Token {sandbox.token}' -H 'x-simple-workspace: {sandbox.workspace}' "
            f"'{sandbox.url}/customers/?page_size=2'",
            flush=True,
        )
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="piriod-async", description="The customers of a Piriod workspace.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    customers = commands.add_parser("customers", help="write customers to standard output, as JSON lines")
    customers.set_defaults(command=_customers)
    customers.add_argument("--country", metavar="ID", help='country id, as in "CL"')
    customers.add_argument("--email", help="e-mail address")
    customers.add_argument("--name", help="name, or a part of it")
    customers.add_argument("--tax-id", metavar="ID", help="tax identifier (RUT, RFC, NIT, …)")
    customers.add_argument("--created-gte", type=_instant, metavar="WHEN", help="created at or after, with a zone")
    customers.add_argument("--created-lte", type=_instant, metavar="WHEN", help="created at or before, with a zone")
    customers.add_argument("--subscriptions", metavar="ID", help="id of a subscription")
    customers.add_argument("--sources", metavar="ID", help="id of a payment source")
    customers.add_argument("--metadata", type=_pair, action="append", metavar="KEY=VALUE", help="may be repeated")
    customers.add_argument("--ordering", default="created", help='as in --ordering=-created; "" for the server\'s own')
    customers.add_argument("--page-size", type=int, default=100, metavar="N", help="customers asked for at once")
    customers.add_argument("--workspace", metavar="ID", help="workspace id, if not PIRIOD_WORKSPACE")
    customers.add_argument("--test-mode", action="store_true", help="list test data")
    customers.add_argument(
        "--sandbox", type=_count, nargs="?", const=SANDBOX_CUSTOMERS, metavar="N", help="list a sandbox of N customers"
    )

    sandbox = commands.add_parser("sandbox", help="serve the API in miniature until Ctrl-C")
    sandbox.set_defaults(command=_sandbox)
    sandbox.add_argument("--port", type=_port, default=8080)
    sandbox.add_argument("--customers", type=_count, default=SANDBOX_CUSTOMERS, metavar="N")
    return parser


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.utcoffset() is None:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a date-time with its zone: 2026-01-31T00:00:00-03:00")
    return instant


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r}: expected KEY=VALUE")
    return key, value


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port, 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of customers, 0 or more")
    return int(text)
