"""Sums on a lattice, in one fixed order of operations, so that they are the same on every machine."""

from numba import njit

from flow_forecaster.engine.arrays import Floats


@njit(nogil=True)
def add(mass: Floats, other: Floats, total: Floats) -> None:
    """Fill total[i] = sum over j of mass[i - j] x other[j]: the law of a sum. total has their sizes' sum less one."""
    total[:] = 0.0
    for shift in range(other.size):
        chance = other[shift]
        if chance > 0.0:
            for index in range(mass.size):
                total[index + shift] += mass[index] * chance
