"""The free parameters of the CPU's roofline from measured latencies, and how wrong they leave it.

Least squares on log latency (robust to a few rows that something else slowed down), with the priors of
constants.py as further residuals: a parameter that the rows say nothing about stays what was believed.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares

from bertnas_jax.latency.simulate.constants import CpuConstants, Deviation, priors
from bertnas_jax.latency.simulate.cpu_roofline import price_cpu
from bertnas_jax.latency.simulate.machine import SLOTS, cpu_machine
from bertnas_jax.latency.simulate.phone_rows import PhoneRow
from bertnas_jax.latency.simulate.work import KernelWork, WorkBatch

# Believed error of a row that nothing disturbed; further off a row counts linearly and not squared.
_LOG_NOISE = 0.03
_MAX_EVALUATIONS, _TOLERANCE = 80, 1e-5

CoreKey = tuple[str, str]  # device, core type


@dataclasses.dataclass(frozen=True)
class CpuFit:
    """Shared constants, and the deviations of the core types that were measured."""

    constants: CpuConstants
    deviations: Mapping[CoreKey, Deviation]

    def deviation(self, device: str, core: str) -> Deviation:
        """That of a core type of a device; none at all where it was never measured."""
        return self.deviations.get((device, core), Deviation())


class PhoneTable:
    """Rows laid out for pricing: all their kernels at once."""

    def __init__(self, rows: Sequence[PhoneRow]):
        self.rows = tuple(rows)
        merged = [Counter[KernelWork]() for _ in rows]
        for counts, row in zip(merged, rows, strict=True):
            for kernel, times in row.kernels:
                counts[kernel] += times
        kernels = [(i, kernel, times) for i, counts in enumerate(merged) for kernel, times in counts.items()]
        self._row = np.array([i for i, _, _ in kernels])
        self._times = np.array([times for _, _, times in kernels], float)
        self._work = WorkBatch.of([kernel for _, kernel, _ in kernels])
        self._machine = cpu_machine([row.cores for row in rows]).rows(self._row)
        self.keys = sorted({(row.device, cluster.core) for row in rows for _, cluster in row.cores.parts})
        slots = np.array([[self._key(row, slot) for slot in range(SLOTS)] for row in rows])
        self._slots = slots[self._row]

    def latency_ms(self, fit: CpuFit) -> Float[np.ndarray, " r"]:
        """The price of each row."""
        own = np.array([dataclasses.astuple(fit.deviation(*key)) for key in self.keys])
        price = price_cpu(self._work, self._machine, fit.constants, Deviation(*own[self._slots].transpose(2, 0, 1)))
        return np.bincount(self._row, price.total_us * self._times, len(self.rows)) / 1e3

    def measured_ms(self) -> Float[np.ndarray, " r"]:
        return np.array([row.latency_ms for row in self.rows])

    def _key(self, row: PhoneRow, slot: int) -> int:
        """Which core type is in this slot; in an empty one the fastest, whose count there is 0."""
        parts = row.cores.parts
        return self.keys.index((row.device, parts[slot if slot < len(parts) else 0][1].core))


def calibrate(rows: Sequence[PhoneRow]) -> CpuFit:
    """The constants and deviations that fit the rows best.

    Raises:
      ValueError: there is no row.
    """
    if not rows:
        raise ValueError("a calibration must have rows to fit, got none; give a file of measurements")
    table, shared, own = PhoneTable(rows), priors(CpuConstants), priors(Deviation)
    believed = np.log([prior.mean for prior in shared.values()])
    spread = np.array([prior.log_sd for prior in shared.values()] + [prior.log_sd for prior in own.values()] * len(table.keys))
    target = np.log(table.measured_ms())

    def residuals(moves: Float[np.ndarray, " p"]) -> Float[np.ndarray, " n"]:
        errors = (np.log(table.latency_ms(_fit_of(moves * spread, believed, table.keys))) - target) / _LOG_NOISE
        return np.concatenate([_robust(errors), moves])

    found = least_squares(residuals, np.zeros(len(spread)), max_nfev=_MAX_EVALUATIONS, ftol=_TOLERANCE, xtol=_TOLERANCE)
    return _fit_of(found.x * spread, believed, table.keys)


def _fit_of(moves: Float[np.ndarray, " p"], believed: Float[np.ndarray, " c"], keys: Sequence[CoreKey]) -> CpuFit:
    count = len(believed)
    constants = CpuConstants(*(float(value) for value in np.exp(believed + moves[:count])))
    own = moves[count:].reshape(len(keys), -1)
    return CpuFit(constants, {key: Deviation(*map(float, values)) for key, values in zip(keys, own, strict=True)})


def _robust(errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Errors whose squares grow like |error| once they are large (the soft L1 loss)."""
    return np.sign(errors) * np.sqrt(2.0 * (np.sqrt(1.0 + errors**2) - 1.0))
