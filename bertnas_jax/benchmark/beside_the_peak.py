"""Subnets in our runtime and in TensorFlow Lite's, timed in turn beside a loop of multiply-adds on as many cores."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping

from bertnas_jax.benchmark.cell import draw_model
from bertnas_jax.benchmark.runtimes import rest
from bertnas_jax.compiler import build, host_target, lower, set_num_threads, trace_model
from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.latency import full_inputs, measure_interleaved, pinned, usable_cores
from bertnas_jax.latency.fma_peak import FmaPeak, fma_peak
from bertnas_jax.space import Subnet

# Our runtimes by what products are computed in, and all that are measured.
OURS = {"tvm": "float32", "tvm_int8_accurate": "int8_accurate"}
RUNTIMES = (*OURS, "tflite")
PEAK_ROUNDS = 2_000_000  # some 4 ms, of the order of a Subnet: a longer loop meets more of a neighbour's time slices
TURN = 4  # timed runs in a turn of several threads, which begins with 0.3 s of rest and of untimed runs
TRIES, WHOLE = 3, 0.85  # two cores of a quiet machine have 0.93 to 1 of twice the peak of one
_PEAK = "fma_peak"


@dataclasses.dataclass(frozen=True)
class Timed:
    """How Subnets are timed: on each of these numbers of threads, at a length in tokens, in so many rounds; the seed draws their weights."""

    threads: tuple[int, ...]
    seq_len: int
    rounds: int
    seed: int


@dataclasses.dataclass(frozen=True)
class Built:
    """A Subnet in every runtime: what runs it once, by the number of threads and the runtime."""

    subnet: Subnet
    runners: Mapping[int, Mapping[str, Callable[[], object]]]


def prepare(subnet: Subnet, how: Timed) -> Built:
    """The Subnet compiled, converted and loaded: whatever else the machine does."""
    model, inputs, target = draw_model(subnet, how.seq_len, how.seed), full_inputs(how.seq_len), host_target()
    traced = trace_model(model, how.seq_len)
    compiled = {name: build(lower(traced, target, precision=precision), target) for name, precision in OURS.items()}
    ours = {name: functools.partial(each.run, *inputs) for name, each in compiled.items()}
    runners = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.tflite"
        export_tflite(model, how.seq_len, path, "float32")
        for threads in how.threads:
            with pinned(threads):  # XNNPACK's threads stay on the cores that they are made on
                runners[threads] = ours | {"tflite": functools.partial(TfliteModel(path, threads).run, *inputs)}
    return Built(subnet, runners)


@contextlib.contextmanager
def peak_loops(how: Timed) -> Iterator[dict[int, FmaPeak]]:
    """The loop of multiply-adds on each number of threads."""
    with contextlib.ExitStack() as stack:
        yield {threads: stack.enter_context(fma_peak(usable_cores()[:threads], PEAK_ROUNDS)) for threads in how.threads}


def measure(built: Built, how: Timed, peaks: Mapping[int, FmaPeak], core_gflops: float) -> dict:
    """Milliseconds by runtime and threads, as measured and at a peak of `core_gflops` a core, and the peak beside them.

    Measured again, TRIES times at most, where several threads had less than WHOLE of their cores by that peak: another had one of them.
    """
    figures: dict[str, dict] = {}
    alone_gflops = 0.0
    for threads in built.runners:
        for _ in range(TRIES):
            figures[str(threads)] = found = _timed(built, threads, how, peaks[threads], core_gflops)
            if found["peak_gflops"] >= WHOLE * threads * alone_gflops:
                break
        alone_gflops = alone_gflops or found["peak_gflops"] / threads
    print(f"{built.subnet.describe()}: {figures}", file=sys.stderr)
    return {"threads": figures}


def _timed(built: Built, threads: int, how: Timed, peak: FmaPeak, core_gflops: float) -> dict:
    runners = built.runners[threads]
    turns = {"rounds": how.rounds, "warmup": 2} if threads == 1 else {"rounds": -(-how.rounds // TURN), "warmup": 0, "in_turn": TURN}
    with pinned(threads):
        set_num_threads(threads)
        timings = measure_interleaved({**runners, _PEAK: peak.run}, _PEAK, progress=False, **turns, **rest(threads))
    gflops = peak.flops / timings[_PEAK].median_ms / 1e6
    peak_ms = peak.flops / (core_gflops * threads) / 1e6
    times = {name: {"median_ms": round(timings[name].median_ms, 4), "at_peak_ms": round(timings[name].ratio * peak_ms, 4)} for name in runners}
    return times | {"peak_gflops": round(gflops, 1), "peak_drift": round(timings[_PEAK].reference_drift, 3)}
