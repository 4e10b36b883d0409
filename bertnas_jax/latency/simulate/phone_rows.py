"""Latencies of whole models that others measured on phones, as what the simulator is asked for."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import re
from collections.abc import Callable

from bertnas_jax.latency.devices import CoreSet, core_set, described_devices, load_profile
from bertnas_jax.latency.simulate.tflite_operators import attention_operators, ffn_operators, patch_embedding
from bertnas_jax.latency.simulate.work import KernelWork

_DTYPES = {"fp32": "float32", "int8": "int8_full"}
_COLUMNS = ("soc", "threads", "dtype", "model", "layers", "hidden", "heads", "ffn", "seq_len", "latency_ms")
_PATCH, _SIZE = re.compile(r"patch(\d+)"), re.compile(r"(\d+)(?:-in\d+k)?$")
_COLOURS = 3


@dataclasses.dataclass(frozen=True)
class PhoneRow:
    """A model of `layers` equal blocks on some cores of a phone. `kernels` come with how often each runs."""

    model: str
    cores: CoreSet
    dtype: str
    kernels: tuple[tuple[KernelWork, int], ...]
    latency_ms: float

    @property
    def device(self) -> str:
        return self.cores.device.name


def read_phone_rows(path: pathlib.Path) -> list[PhoneRow]:
    """The rows of a file such as phone_cpu_transformers.csv: device, soc, threads, dtype, model and its sizes, latency_ms.

    Raises:
      ValueError: a column is missing, or a row's phone has no profile, or not these cores, or its dtype is not known.
    """
    by_soc = {profile.soc: profile for profile in map(load_profile, described_devices())}
    rows = []
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        missing = sorted(set(_COLUMNS) - set(lines.fieldnames or ()))
        if missing:
            raise ValueError(f"{path.name} must have the columns {', '.join(_COLUMNS)}, got none for {', '.join(missing)}; add them")
        for line, fields in enumerate(lines, start=2):
            if fields["soc"] not in by_soc:
                raise ValueError(f"{path.name}:{line}: soc must be that of a profile, got {fields['soc']!r}; write one by --new_profile")
            cores = core_set(by_soc[fields["soc"]], _cores_of(fields["threads"]))
            if fields["dtype"] not in _DTYPES:
                raise ValueError(f"{path.name}:{line}: dtype must be one of {', '.join(_DTYPES)}, got {fields['dtype']!r}; leave the row out")
            dtype = _DTYPES[fields["dtype"]]
            rows.append(PhoneRow(fields["model"], cores, dtype, _kernels_of(fields, dtype), float(fields["latency_ms"])))
    return rows


def _cores_of(threads: str) -> str:
    """ "2 (1large+1med)" as the name of a core set."""
    inner = re.search(r"\((.*)\)", threads)
    text = inner[1] if inner else threads
    return re.sub(r"(\d+)\s*med\b", r"\1 medium", text)


def _kernels_of(fields: dict[str, str], dtype: str) -> tuple[tuple[KernelWork, int], ...]:
    layers, hidden, heads, ffn, seq_len = (int(fields[name]) for name in ("layers", "hidden", "heads", "ffn", "seq_len"))
    block = attention_operators(hidden, heads, hidden // heads, seq_len, dtype) + ffn_operators(hidden, ffn, seq_len, dtype)
    kernels = [(kernel, layers) for kernel in block]
    patch, size = _PATCH.search(fields["model"]), _SIZE.search(fields["model"])
    if patch and size:  # a vision transformer: its tokens are made by a convolution, which the latency includes
        patches = (int(size[1]) // int(patch[1])) ** 2
        kernels.append((patch_embedding(patches, _COLOURS * int(patch[1]) ** 2, hidden, dtype), 1))
    return tuple(kernels)


# What a validation leaves out as a whole, by name.
SPLITS: dict[str, Callable[[PhoneRow], str]] = {
    "models": lambda row: row.model,
    "devices": lambda row: row.device,
    "core_sets": lambda row: f"{row.device}, {row.cores.describe()}",
}
