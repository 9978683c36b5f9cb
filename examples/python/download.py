#!/usr/bin/env python
"""Downloads many pages at a time: the tutorial case of concurrent.futures, with the import line swapped.

Without URLs it starts a server of its own, whose pages take a moment each, and compares what comes with what
the server has. A download is a Python function that waits for the network, and a wait never held the GIL: so
both pools take the same time. What it shows is that nothing else in the program changes.
"""

from __future__ import annotations

import argparse
import asyncio
import concurrent.futures
import hashlib
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import offgil

import common

# Either of these, and nothing else, is the difference.
POOLS = {"stdlib": concurrent.futures.ThreadPoolExecutor, "offgil": offgil.ThreadPoolExecutor}
PATIENCE = 60  # seconds for a page
Pages = dict[str, "bytes | Exception"]


def load_url(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        page: bytes = response.read()
        return page


def download(pool: concurrent.futures.ThreadPoolExecutor, urls: list[str]) -> Pages:
    """As the documentation of concurrent.futures does it."""
    pages: Pages = {}
    futures = {pool.submit(load_url, url): url for url in urls}
    try:
        for future in common.progress(as_completed(futures), len(urls), "pages"):
            pages[futures[future]] = future.exception() or future.result()  # type: ignore[assignment]
    except BaseException:  # Ctrl-C: don't wait for those that have not begun
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return pages


def download_by_asyncio(pool: concurrent.futures.ThreadPoolExecutor, urls: list[str]) -> Pages:
    """The same from a loop, whose other tasks run meanwhile."""

    async def gather() -> list[bytes | BaseException]:
        loop = asyncio.get_running_loop()
        calls = (loop.run_in_executor(pool, load_url, url) for url in urls)
        return await asyncio.gather(*calls, return_exceptions=True)

    return dict(zip(urls, asyncio.run(gather()), strict=True))  # type: ignore[arg-type]


def page_of(path: str) -> bytes | None:
    """What the server has: pages of some kilobytes, by their number."""
    number = path.removeprefix("/")
    if not number.isdecimal():
        return None
    text = hashlib.sha256(number.encode()).hexdigest()
    return f"<title>page {number}</title>\n".encode() + text.encode() * (1 + int(number) % 100)


@contextmanager
def server(delay: float) -> Iterator[str]:
    """Serves the pages while it is open, each after `delay` seconds; gives its address."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 1024

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay)
            page = page_of(self.path)
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def measure(chosen: argparse.Namespace, name: str, urls: list[str], ours: str | None) -> common.Row:
    """Downloads all with one of the pools; what is wrong is told on standard error."""
    way = download_by_asyncio if chosen.asyncio else download
    with POOLS[name](max_workers=chosen.workers) as pool:
        pages, seconds = common.timed(lambda: way(pool, urls))
    good = {url: page for url, page in pages.items() if isinstance(page, bytes)}
    for url in urls:
        if url not in good:
            print(f"{url}: {pages[url]!s}", file=sys.stderr)
        elif ours is not None and good[url] != page_of(url.removeprefix(ours)):
            raise common.Problem(f"{url} came otherwise than the server has it")
    size = sum(map(len, good.values()))
    failed = len(urls) - len(good)
    return {"pool": name, "pages": len(good), "failed": failed, "bytes": size, "seconds": seconds}


def main() -> int:
    parser = common.parser(__doc__)
    parser.set_defaults(workers=16)
    parser.add_argument("urls", nargs="*", metavar="URL", help="what to download (default: own pages)")
    parser.add_argument("--pool", choices=[*POOLS, "both"], default="both", help="(default: both)")
    parser.add_argument("--asyncio", action="store_true", help="submit from an asyncio loop")
    parser.add_argument("--pages", type=common.whole(1), default=200, metavar="N", help="own pages (200)")
    parser.add_argument("--delay", type=common.whole(0), default=50, metavar="MS", help="of each (50)")
    chosen = parser.parse_args()
    names = list(POOLS) if chosen.pool == "both" else [chosen.pool]
    if chosen.urls:
        rows = [measure(chosen, name, list(dict.fromkeys(chosen.urls)), None) for name in names]
    else:
        with server(chosen.delay / 1000) as address:
            urls = [f"{address}/{number}" for number in range(chosen.pages)]
            rows = [measure(chosen, name, urls, address) for name in names]
    common.show(rows, chosen.shape)
    return 1 if any(row["failed"] for row in rows) else 0


if __name__ == "__main__":
    common.run(main)
