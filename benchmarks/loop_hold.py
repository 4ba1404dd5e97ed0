"""Does a host notice us? An aiohttp application answers a ping every millisecond while it crawls, 16 at once.

    python -m benchmarks.loop_hold

The server of prepared bytes and the one that pings are processes of their own. Beside ours the naive crawl: `gather`,
and each page decoded where it arrives. Printed are the percentiles of how long one of the crawl's callbacks, and all of
them in one turn of the loop, hold it: CPU time, garbage frozen; the last row is without its collector. A callback is
allowed twice one page's decoding.
"""
# ruff: noqa: RUF001  (the sign means times)

import argparse
import asyncio
import gc
import sys
import time
from contextlib import suppress
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from aiohttp import ClientSession, web

from benchmarks.hold import Watch, belongs_to, decoding, percentile, port_of
from benchmarks.ours import DECODER, Page, ours
from benchmarks.processes import Process, ServerProcess
from benchmarks.target import PAGE_SIZE, Client, Target

CONCURRENCY = 16
PING = 0.001  # seconds between two
ROW = "{:12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}"


async def naive(target: Target) -> int:
    """What people write: the first page for the count, then `gather`."""
    slots = asyncio.Semaphore(target.concurrency)
    async with ClientSession(headers=target.headers) as http:

        async def page(number: int) -> int:
            async with slots, http.get(f"{target.url}/customers/", params=target.params(number)) as response:
                pages.append(DECODER.decode(await response.read()))
            return pages[-1].count

        pages: list[Page] = []
        count = await page(1)
        await asyncio.gather(*map(page, range(2, ceil(count / PAGE_SIZE) + 1)))
    return count


async def serve(client: Client, target: Target, *, collect: bool) -> tuple[Watch, list[float]]:
    """Crawl inside an application that is pinged; what the crawl held, and how long the pings took."""
    app = web.Application()
    app.router.add_get("/ping", _pong)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    others = asyncio.all_tasks()
    watch = Watch(belongs_to(port_of(target.url), lambda task: task not in others and not _serves(task)))
    await client(target)  # warm
    with Process("loop_hold", "--pinger", f"http://127.0.0.1:{runner.addresses[0][1]}/ping") as pinger:
        await asyncio.to_thread(pinger.ask, b"")
        gc.collect()
        gc.freeze()
        (gc.enable if collect else gc.disable)()
        with watch.watching():
            await asyncio.create_task(_crawl(client, target))
        gc.enable()
        gc.unfreeze()
        told = await asyncio.to_thread(pinger.ask, b"stop")
    await runner.cleanup()
    return watch, [float(each) for each in told.split()]


async def _crawl(client: Client, target: Target) -> int:
    return await client(target)


async def _pong(_: web.Request) -> web.Response:
    return web.Response()


def _serves(task: asyncio.Task[object]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "web_protocol" in code.co_filename


async def ping(url: str) -> None:
    """Ping every millisecond until a line comes in, then print how long each took, µs."""
    took = []
    stop = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    async with ClientSession() as http:
        while not stop.done():
            started = time.perf_counter()
            async with http.get(url):
                pass
            took.append(time.perf_counter() - started)
            if len(took) == 1:
                print("pinging", flush=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stop), max(PING - took[-1], 0))
    print(*(f"{1e6 * each:.0f}" for each in took), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--pinger", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pinger:
        asyncio.run(ping(options.pinger))
        return
    with ServerProcess("server", str(options.customers)) as server:
        target = Target(server.url, f"acc_{options.customers}", concurrency=CONCURRENCY)
        one = decoding(target)
        print(f"{options.customers} customers, {CONCURRENCY} at once; µs. One page's decoding takes {1e6 * one:.0f}.")
        columns = ("p50", "p99", "longest", "turn p99", "longest")
        print(ROW.format("crawl", *columns, "ping p50", "ping p99", "× 2 pages"))
        for name, client, collect in (("ours", ours, True), ("naive", naive, True), ("ours, no gc", ours, False)):
            watch, pings = asyncio.run(serve(client, target, collect=collect))
            held = watch.figures()
            figures = [held[column] for column in ("p50", "p99", "longest", "turn p99", "longest turn")]
            figures += [percentile(pings, 50), percentile(pings, 99)]
            print(ROW.format(name, *map(round, figures), f"{held['p99'] / (2e6 * one):.2f}"))


if __name__ == "__main__":
    main()
