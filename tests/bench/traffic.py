"""People at a house: their open pages, and the forms that they send."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.bench.browser import Page, Seen
from tests.bench.house import House

OPENED_AT_ONCE = 10
PROMPT = "A lighthouse in the rain"


@asynccontextmanager
async def open_pages(house: House, count: int, credential: str) -> AsyncIterator[tuple[list[Page], Seen]]:
    """So many people look at Create, which asks and asks, with this key chosen."""
    seen = Seen()
    pages = [Page(house.port, person, seen) for person in house.people[:count]]
    chosen = {"provider": "kling", "operation": "text-to-image", "credential": str(house.credentials[credential])}
    for at in range(0, count, OPENED_AT_ONCE):
        await asyncio.gather(*(each.open(**chosen) for each in pages[at : at + OPENED_AT_ONCE]))
    now = time.time()
    asking = [asyncio.create_task(each.ask_on(now + at / count)) for at, each in enumerate(pages)]
    try:
        yield pages, seen
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        for page in pages:
            page.close()


async def click(pages: Sequence[Page], rate: float, seconds: float, prompt: str = PROMPT) -> None:
    """Generate so many times a second, on one page after the other, however long the answers take."""
    began, sent = time.time(), []
    for at in range(round(rate * seconds)):
        await asyncio.sleep(max(0.0, began + at / rate - time.time()))
        sent.append(asyncio.create_task(pages[at % len(pages)].generate(prompt=prompt, n="1")))
    await asyncio.gather(*sent)
    await asyncio.sleep(max(0.0, began + seconds - time.time()))
