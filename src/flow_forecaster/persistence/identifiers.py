"""Ids that sort by time."""

import os
import time
from datetime import datetime
from uuid import UUID


def new_id() -> UUID:
    """Make a UUID of version 7: 48 bits of milliseconds, then 74 random bits (RFC 9562; in Python itself from 3.14)."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (2**48 - 1)) << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (2**62 - 1)
    return UUID(int=value)


def first_id(moment: datetime) -> UUID:
    """Find the lowest id that could be made at a moment: what was made before has a lower one."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
