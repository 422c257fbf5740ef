"""The receivers of the tests themselves: none leaves a connection to whichever test runs when it is collected."""

import asyncio
import gc
import socket

import pytest

from workers.receivers import receiver


@pytest.mark.parametrize("turns", range(8))
def test_a_receiver_leaves_no_connection_however_soon_its_block_ends(turns: int) -> None:
    """Some knock, and the block ends while they are still being accepted: what is left would warn, an error."""
    asyncio.run(_left_in_a_hurry(turns))
    gc.collect()


async def _left_in_a_hurry(turns: int) -> None:
    async with receiver() as listening:
        knocking = [socket.create_connection(("127.0.0.1", listening.port)) for _ in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
    for each in knocking:
        each.close()
