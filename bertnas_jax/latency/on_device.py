"""What `python -m bertnas_jax.latency --measure` does: a model timed on a device that is there, and its record kept."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from bertnas_jax.latency.adb import Adb, core_mask, find_phone
from bertnas_jax.latency.benchmark_model import BenchmarkOutput, benchmark_command, measure_tflite
from bertnas_jax.latency.c_model import measure_c_model
from bertnas_jax.latency.config import LatencyConfig
from bertnas_jax.latency.devices import GPU, core_set, load_profile
from bertnas_jax.latency.fan_out import Devices, measure_on_all
from bertnas_jax.latency.fill_table import full_inputs
from bertnas_jax.latency.measure import Timing
from bertnas_jax.latency.record import LatencyRecord, append_records
from bertnas_jax.space import Subnet

ANY_CORES = "any"
_SESSION_S = 600.0


def measure_on_device(config: LatencyConfig) -> str:
    """Measures, appends the record to `config.out`, and tells it.

    Raises:
      ValueError: what is needed is not given, or does not fit the runtime.
      RuntimeError: the device, its tracker or adb is missing, or a program on it fails.
    """
    _check(config)
    out, told = pathlib.Path(config.out).expanduser(), []
    for record in _by_tracker(config) if config.tracker else [_by_adb(config)]:
        append_records(out, [record])
        told.append(_told(record))
    return "\n".join(told)


def _told(record: LatencyRecord) -> str:
    figures = f"median {record.median_ms:.3f} ms, 90 % within {record.p90_ms:.3f} ms, {record.runs} runs"
    about = f"{record.device}, {record.runtime}, {record.dtype}, {record.threads} threads, L={record.seq_len}"
    return f"{about}: {record.subnet.describe()} measured {figures}"


def _read_subnet(path: str) -> Subnet:
    return Subnet.from_json(pathlib.Path(path).expanduser().read_text(encoding="utf-8"))


def _check(config: LatencyConfig) -> None:
    if bool(config.tracker) == config.adb:
        given = "both" if config.adb else "neither"
        raise ValueError(f"--measure must have one of --tracker and --adb, got {given}; give where the device is")
    if (config.measured_runtime == "tvm") != bool(config.tracker):
        way = "--tracker" if config.tracker else "--adb"
        raise ValueError(f"runtime must be tvm with --tracker, tflite or c with --adb, got {config.measured_runtime} with {way}; change one")
    needed = ["model_file", "subnet"] + (["key"] if config.tracker else ["benchmark_model"] if config.measured_runtime == "tflite" else [])
    for name in needed:
        if not getattr(config, name):
            raise ValueError(f"{name} must be given to measure {config.measured_runtime}, got ''; give --{name}")
    models, subnets = (len(text.split(",")) for text in (config.model_file, config.subnet))
    if config.tracker and models != subnets:
        raise ValueError(f"subnet must name as many files as model_file, got {subnets} and {models}; give one of each, in the same order")


def _by_tracker(config: LatencyConfig) -> Iterator[LatencyRecord]:
    """A record a model, as they are measured."""
    subnets = [_read_subnet(path) for path in config.subnet.split(",")]
    libraries = [pathlib.Path(path).expanduser() for path in config.model_file.split(",")]
    devices = Devices(config.tracker, config.key, _SESSION_S)
    for number, timing in measure_on_all(devices, libraries, full_inputs(config.seq_len), config.threads, config.runs):
        yield record_of(config, subnets[number], config.key, timing.median_ms, timing.p90_ms, timing.runs, timing.reference_drift)


def _by_adb(config: LatencyConfig) -> LatencyRecord:
    phone, subnet = find_phone(config.serial), _read_subnet(config.subnet)
    gpu, model = config.core_set == GPU, pathlib.Path(config.model_file).expanduser()
    mask = "" if gpu or config.core_set == ANY_CORES else _mask(config, phone)
    if config.measured_runtime == "c":
        if gpu:
            raise ValueError("core_set must be of a CPU for runtime c, got 'gpu'; name cores")
        timing: Timing = measure_c_model(phone, model, config.compiler, config.threads, config.runs, config.warmup, mask)
        return record_of(config, subnet, phone.model_name(), timing.median_ms, timing.p90_ms, timing.runs, timing.reference_drift)
    command = benchmark_command(model.name, config.seq_len, config.threads, config.runs, config.warmup, mask, gpu)
    output = measure_tflite(phone, pathlib.Path(config.benchmark_model).expanduser(), model, command)
    return record_of(config, subnet, phone.model_name(), *percentiles_of(output), output.runs)


def _mask(config: LatencyConfig, phone: Adb) -> str:
    cores = core_set(load_profile(config.device), config.core_set)
    if config.threads > cores.threads:
        raise ValueError(f"threads must be at most the cores of {config.core_set!r}, got {config.threads}; give fewer, or more cores")
    return core_mask(cores, phone.clocks_khz())


def percentiles_of(output: BenchmarkOutput) -> tuple[float, float]:
    """Median and an upper bound of the 90th percentile: benchmark_model tells the 95th.

    Raises:
      ValueError: it is a version that tells neither.
    """
    if output.median_ms is None or output.p95_ms is None:
        raise ValueError(f"benchmark_model must print median and p95, got mean {output.mean_ms} ms alone; use a newer one")
    return output.median_ms, output.p95_ms


def record_of(
    config: LatencyConfig, subnet: Subnet, device: str, median_ms: float, p90_ms: float, runs: int, drift: float = 1.0
) -> LatencyRecord:
    """The record of a measurement on that device, of the conditions in the configuration; drift 1 where single runs are not told."""
    conditions = (device, config.measured_runtime, config.dtype, config.threads, config.seq_len)
    cores = config.core_set if config.adb and config.core_set != ANY_CORES else ""  # a tracker's server takes those that it is given
    return LatencyRecord("given", subnet, *conditions, "measured", median_ms, p90_ms, runs, drift, cores)
