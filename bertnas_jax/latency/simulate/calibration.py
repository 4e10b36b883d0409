"""A calibration as it is kept: what was fitted, on which rows, and how wrong it was where it had not looked."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from bertnas_jax.latency.devices import CoreSet
from bertnas_jax.latency.simulate.calibrate import CpuFit, PhoneTable, calibrate
from bertnas_jax.latency.simulate.constants import CpuConstants, Deviation, FusedConstants
from bertnas_jax.latency.simulate.cross_validation import COVERAGE, HeldOut, hold_out
from bertnas_jax.latency.simulate.gpu_roofline import GpuConstants, GpuDeviation
from bertnas_jax.latency.simulate.gpu_rows import GpuFit, GpuRow, GpuTable, calibrate_gpu, gpu_splits
from bertnas_jax.latency.simulate.phone_rows import SPLITS, PhoneRow
from bertnas_jax.whole_file import whole

FOLDER = pathlib.Path(__file__).parent / "calibrations"
CPU_FILE, GPU_FILE = FOLDER / "tflite_cpu.json", FOLDER / "tflite_gpu.json"

# Which split tells how wrong a prediction is, by what is known of where it is for: a set of cores that was
# measured (with other models), a device that was (with other cores), none of it. The devices are few: a
# further one gets the interval of the worst.
SPECIFICATIONS = "specifications"
CPU_KNOWLEDGE = {"measured cores": "models", "measured device": "core_sets", SPECIFICATIONS: "devices"}
GPU_KNOWLEDGE = {"measured device": "shapes", SPECIFICATIONS: "gpus"}

MODEL_FOLDS = 5  # of a device's own calibration
TFLITE = "tflite"  # the runtime of rows that others published


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A fit with its provenance. `log_half_widths` are of intervals, by what is known of the device; `runtime` is whose kernels ran."""

    fit: CpuFit | GpuFit
    measured: frozenset[str]
    log_half_widths: Mapping[str, float]
    provenance: Mapping
    runtime: str = TFLITE

    def knowledge(self, cores: CoreSet) -> str:
        """What the calibration knows of these cores, a key of `log_half_widths`."""
        if f"{cores.device.name}, {cores.describe()}" in self.measured:
            return "measured cores"
        measured = {name.split(", ")[0] for name in self.measured}
        return "measured device" if cores.device.name in measured else SPECIFICATIONS

    def half_width(self, knowledge: str) -> float:
        """Half the width, in log latency, of the interval for this knowledge.

        Raises:
          ValueError: the calibration is of one device, and what is asked for is elsewhere.
        """
        if knowledge not in self.log_half_widths:
            raise ValueError(f"what is priced must be one of {sorted(self.measured)}, got cores known by {knowledge}; calibrate there")
        return self.log_half_widths[knowledge]

    def for_kernels_of(self, runtime: str) -> Calibration:
        """The same for a runtime's kernels: where others were measured, every device is known by specifications alone."""
        return self if runtime == self.runtime else dataclasses.replace(self, measured=frozenset())

    def gpu_knowledge(self, gpu: str) -> str:
        """The same of a GPU by its name."""
        return "measured device" if gpu in self.measured else SPECIFICATIONS


def validate_cpu(rows: Sequence[PhoneRow], progress: Callable[[str], None] = lambda group: None) -> dict[str, HeldOut]:
    """Models, devices and sets of cores left out in turn."""
    return {split: hold_out(split, rows, group_of, calibrate, _predict_cpu, progress) for split, group_of in SPLITS.items()}


def _predict_cpu(fit: CpuFit, held: Sequence[PhoneRow]) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    table = PhoneTable(held)
    return table.latency_ms(fit), table.measured_ms()


def validate_gpu(rows: Sequence[GpuRow], progress: Callable[[str], None] = lambda group: None) -> dict[str, HeldOut]:
    """Shapes and GPUs left out in turn."""

    def predict(fit: GpuFit, held: Sequence[GpuRow]):
        table = GpuTable(held)
        return table.latency_us(fit), table.measured_us

    return {split: hold_out(split, rows, group_of, calibrate_gpu, predict, progress) for split, group_of in gpu_splits(rows).items()}


def refit_cpu(rows: Sequence[PhoneRow], data: pathlib.Path, path: pathlib.Path, progress: Callable[[str], None] = lambda group: None) -> None:
    """Fits all rows, measures the fit's error by cross-validation and writes the calibration file."""
    fit, held_out = calibrate(rows), validate_cpu(rows, progress)
    _write(path, _cpu_fields(rows, fit, TFLITE), held_out, CPU_KNOWLEDGE, data)


def fit_device(rows: Sequence[PhoneRow], runtime: str, data: pathlib.Path, path: pathlib.Path) -> CpuFit:
    """The fit of a runtime's rows on one device, written as a calibration file with its error on models left out, a fold at a time.

    Raises:
      ValueError: there are too few rows for an interval.
    """
    constants = CpuConstants if runtime == TFLITE else FusedConstants
    fit, folds = calibrate(rows, constants), {model: i % MODEL_FOLDS for i, model in enumerate(dict.fromkeys(row.model for row in rows))}
    held = hold_out("models", rows, lambda row: f"fold {folds[row.model]}", lambda some: calibrate(some, constants), _predict_cpu)
    _write(path, _cpu_fields(rows, fit, runtime), {"models": held}, {"measured cores": "models"}, data)
    return fit


def _cpu_fields(rows: Sequence[PhoneRow], fit: CpuFit, runtime: str) -> dict:
    return {
        "runtime": runtime,
        "measured": sorted({f"{row.device}, {row.cores.describe()}" for row in rows}),
        "constants": dataclasses.asdict(fit.constants),
        "deviations": [{"device": device, "core": core, **dataclasses.asdict(own)} for (device, core), own in fit.deviations.items()],
    }


def refit_gpu(rows: Sequence[GpuRow], data: pathlib.Path, path: pathlib.Path, progress: Callable[[str], None] = lambda group: None) -> None:
    """The same for GPUs."""
    fit, held_out = calibrate_gpu(rows), validate_gpu(rows, progress)
    fields = {
        "runtime": TFLITE,
        "measured": sorted(fit.deviations),
        "constants": dataclasses.asdict(fit.constants),
        "deviations": [{"gpu": gpu, **dataclasses.asdict(own)} for gpu, own in fit.deviations.items()],
    }
    _write(path, fields, held_out, GPU_KNOWLEDGE, data)


def _write(path: pathlib.Path, fitted: dict, held_out: Mapping[str, HeldOut], knowledge: Mapping[str, str], data: pathlib.Path) -> None:
    about = {
        "data": {"file": data.name, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "coverage": COVERAGE,
        "held_out": {split: held.figures() for split, held in held_out.items()},
        "log_half_widths": {known: _half_width(known, held_out[split]) for known, split in knowledge.items()},
    }
    with whole(path) as partial:
        partial.write_text(json.dumps(about | fitted, indent=1) + "\n", encoding="utf-8")


def _half_width(known: str, held: HeldOut) -> float:
    return held.worst_group_log_half_width() if known == SPECIFICATIONS else held.log_half_width()


def load_cpu_calibration(path: pathlib.Path = CPU_FILE) -> Calibration:
    """The calibration that `refit_cpu` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no calibration.
    """

    def fit_of(fields: dict) -> CpuFit:
        own = {(one.pop("device"), one.pop("core")): Deviation(**one) for one in fields["deviations"]}
        return CpuFit(CpuConstants(**fields["constants"]), own)

    return _load(path, fit_of)


def load_gpu_calibration(path: pathlib.Path = GPU_FILE) -> Calibration:
    """The calibration that `refit_gpu` wrote.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no calibration.
    """

    def fit_of(fields: dict) -> GpuFit:
        return GpuFit(GpuConstants(**fields["constants"]), {one.pop("gpu"): GpuDeviation(**one) for one in fields["deviations"]})

    return _load(path, fit_of)


def _load(path: pathlib.Path, fit_of: Callable[[dict], CpuFit | GpuFit]) -> Calibration:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        provenance = {name: fields[name] for name in ("data", "date", "coverage", "held_out")}
        return Calibration(fit_of(fields), frozenset(fields["measured"]), dict(fields["log_half_widths"]), provenance, fields["runtime"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must be a calibration, got {type(error).__name__}: {error}; write it by --refit") from error
