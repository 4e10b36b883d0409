"""Products measured on phones' GPUs, and the free parameters of the GPU's roofline from them."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from bertnas_jax.latency.devices import DeviceProfile, Gpu, described_devices, load_profile
from bertnas_jax.latency.simulate.fitting import Keyed, Kinds, fit_table
from bertnas_jax.latency.simulate.gpu_roofline import GpuConstants, GpuDeviation, GpuMachine, price_gpu

_LOG_NOISE = 0.1  # a product's kernel is one of several variants that the delegate chooses by rules not modelled
SHAPE_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class GpuRow:
    """A 1x1 convolution or fully connected layer as a product, and its time by the delegate's profiler."""

    gpu: Gpu
    shape: tuple[int, int, int]
    latency_us: float


@dataclasses.dataclass(frozen=True)
class GpuFit:
    """Shared constants, and the deviations of the GPUs that were measured, by name."""

    constants: GpuConstants
    deviations: Mapping[str, GpuDeviation]

    def deviation(self, gpu: str) -> GpuDeviation:
        return self.deviations.get(gpu, GpuDeviation())


def read_gpu_rows(path: pathlib.Path) -> list[GpuRow]:
    """The rows of a file such as phone_gpu_gemms.csv: gpu, M, K, N, latency_us.

    Raises:
      ValueError: a row's GPU has no profile.
    """
    profiles: list[DeviceProfile] = list(map(load_profile, described_devices()))
    known = {profile.gpu.name: profile.gpu for profile in profiles if profile.gpu}
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, fields in enumerate(csv.DictReader(file), start=2):
            if fields["gpu"] not in known:
                raise ValueError(f"{path.name}:{line}: gpu must be that of a profile, got {fields['gpu']!r}; known are {sorted(known)}")
            shape = (int(fields["M"]), int(fields["K"]), int(fields["N"]))
            rows.append(GpuRow(known[fields["gpu"]], shape, float(fields["latency_us"])))
    return rows


class GpuTable:
    """Rows laid out for pricing."""

    def __init__(self, rows: Sequence[GpuRow]):
        self.names = sorted({row.gpu.name for row in rows})
        self._group = np.array([self.names.index(row.gpu.name) for row in rows])
        self._machine = GpuMachine.of([row.gpu for row in rows])
        self._shapes = np.array([row.shape for row in rows], float).T
        self.measured_us = np.array([row.latency_us for row in rows])

    def latency_us(self, fit: GpuFit) -> Float[np.ndarray, " r"]:
        own = np.array([dataclasses.astuple(fit.deviation(name)) for name in self.names])
        return price_gpu(*self._shapes, self._machine, fit.constants, GpuDeviation(*own[self._group].T)).total_us

    def moved_by(self) -> Bool[np.ndarray, "k r"]:
        """Which rows a GPU's deviation moves, in the order of `names`."""
        return self._group == np.arange(len(self.names))[:, None]


def calibrate_gpu(rows: Sequence[GpuRow]) -> GpuFit:
    """The constants and deviations that fit the rows best.

    Raises:
      ValueError: there is no row.
    """
    table = GpuTable(rows)
    kinds, keyed = Kinds(GpuFit, GpuConstants, GpuDeviation), Keyed(table.names, table.moved_by())
    return fit_table(kinds, keyed, table.latency_us, table.measured_us, _LOG_NOISE)


def shape_folds(rows: Sequence[GpuRow], seed: int = 0) -> dict[tuple[int, int, int], str]:
    """A fold for every distinct shape, so that no shape is in two."""
    shapes = sorted({row.shape for row in rows})
    order = np.random.default_rng(seed).permutation(len(shapes)) % SHAPE_FOLDS
    return {shape: f"fold {fold}" for shape, fold in zip(shapes, order, strict=True)}


def gpu_splits(rows: Sequence[GpuRow]) -> dict[str, Callable[[GpuRow], str]]:
    """What a validation leaves out as a whole, by name."""
    folds = shape_folds(rows)
    return {"shapes": lambda row: folds[row.shape], "gpus": lambda row: row.gpu.name}
