"""Counter-based streams of random words: the stream of trial i is a function of (seed, i) alone.

A trial's stream starts at a word mixed from seed and trial (the finalizer of SplitMix64) and takes steps of an odd
constant; every word of it is a folded 64 x 64 -> 128 bit product of its counter (wyrand). No state passes from one
trial to the next, so a range of trials can be computed anywhere, in any order, with the same result.

References: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the finalizer);
Wang Yi, "wyhash" (2019), whose generator passes BigCrush and PractRand.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

STEP = np.uint64(0xA0761D6478BD642F)
TRIAL_STEP = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(0xE7037ED1A0B428DB)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


def _product(builder: Any, args: Any) -> tuple[Any, Any]:
    wide, word = ir.IntType(128), ir.IntType(64)
    product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
    high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
    return builder.trunc(product, word), high


@intrinsic
def folded_product(_typing: Any, _a: Any, _b: Any) -> Any:
    """High XOR low word of the 128-bit product of two words."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        low, high = _product(builder, args)
        return builder.xor(low, high)

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def high_product(_typing: Any, _a: Any, _b: Any) -> Any:
    """High word of the 128-bit product: for a uniform word a, floor(a * b / 2^64) is uniform on 0 .. b-1.

    The bias is below b / 2^64 (Lemire, "Fast random integer generation in an interval", 2019).
    """

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _product(builder, args)[1]

    return types.uint64(types.uint64, types.uint64), generate


@njit(inline="always")
def mix(word: Any) -> Any:
    """Spread every bit of a word over all 64 (the finalizer of SplitMix64)."""
    word = (word ^ (word >> _30)) * _MIX_1
    word = (word ^ (word >> _27)) * _MIX_2
    return word ^ (word >> _31)


@njit(inline="always")
def trial_counter(seed: Any, trial: Any) -> Any:
    """Place where the stream of `trial` begins."""
    return mix(mix(seed + TRIAL_STEP) + np.uint64(trial) * TRIAL_STEP)


@njit(inline="always")
def word_at(counter: Any) -> Any:
    """Random word of a counter."""
    return folded_product(counter, counter ^ _FOLD)
