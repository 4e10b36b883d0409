"""Fills a kernel table by measurement, and says how far its prices are from whole models."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

import jax
import numpy as np
import tvm
from flax import nnx
from tqdm import tqdm

from bertnas_jax.compiler import CompiledModel, Kernel, build, list_kernels, lower, profile_kernels, set_num_threads, trace_model
from bertnas_jax.latency.device import describe_host
from bertnas_jax.latency.kernel_parts import KernelCounts, covering_subnet, decompose
from bertnas_jax.latency.kernel_table import Conditions, KernelTable, Provenance
from bertnas_jax.latency.measure import measure_interleaved
from bertnas_jax.latency.pinning import pinned
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet

# Rows of the stand-in's embedding table: a lookup reads L of them, however many there are.
_VOCAB_SIZE = 256
# Rounds over all covering models and runs in each: a busy minute spoils a round, not a hidden width.
_ROUNDS, _REPEATS = 5, 10
_PACKAGES = ("jax", "flax", "apache-tvm")

_Compiled = tuple[CompiledModel, tuple[Kernel, ...]]


def stand_in(subnet: Subnet, conditions: Conditions, vocab_size: int = _VOCAB_SIZE) -> Bert:
    """A model of these sizes with small normal weights, as fast as a trained one.

    Not constant ones: a converter would fold LayerNorms and biases that a trained model has.
    """
    config = BertConfig(
        subnet, vocab_size, max_positions=conditions.seq_len, num_outputs=conditions.num_outputs, pooling=conditions.pooling
    )
    model, rng = nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0))), np.random.default_rng(0)
    # Large enough that products do not become denormal.
    nnx.update(model, jax.tree.map(lambda leaf: 0.02 * rng.standard_normal(leaf.shape, np.float32), nnx.state(model, nnx.Param)))
    return model


def fill_kernel_table(space: SearchSpace, conditions: Conditions, target: tvm.target.Target, progress: bool = True) -> KernelTable:
    """The table of every Subnet of the space, measured on this machine in about a second per choice.

    Raises:
      ValueError: the kernels of a Subnet are not the sum of its blocks', or there are fewer cores than threads.
    """
    lowerings = len(space.hiddens) * (len(space.heads) + len(space.ffns) + 1)  # those of `decompose`
    total = lowerings + len(space.hiddens) * (1 + _ROUNDS)
    with tqdm(total=total, desc="kernel table", file=sys.stderr, disable=not progress) as bar:

        def kernels_of(subnet: Subnet) -> KernelCounts:
            bar.update()
            return Counter(kernel.signature for kernel in list_kernels(_lower(subnet, conditions, target)))

        parts = decompose(space, kernels_of)
        compiled = []
        for hidden in space.hiddens:
            compiled.append(_compile(covering_subnet(space, hidden), conditions, target))
            bar.update()
        with pinned(conditions.threads):
            set_num_threads(conditions.threads)
            microseconds, overhead_us = _measure_kernels(compiled, conditions, bar)
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return KernelTable(microseconds, overhead_us, parts, Provenance(conditions, describe_host().cpu, versions, date))


def _lower(subnet: Subnet, conditions: Conditions, target: tvm.target.Target) -> tvm.IRModule:
    return lower(trace_model(stand_in(subnet, conditions), conditions.seq_len), target, precision=conditions.precision)


def _compile(subnet: Subnet, conditions: Conditions, target: tvm.target.Target) -> _Compiled:
    lowered = _lower(subnet, conditions, target)
    return build(lowered, target), list_kernels(lowered)


def _measure_kernels(models: Sequence[_Compiled], conditions: Conditions, bar: tqdm) -> tuple[dict[str, float], float]:
    """Microseconds by signature, and those of a run beside its kernels.

    Of each call the median over rounds, of a kernel the mean over its calls, of the overhead the
    median over models and rounds.
    """
    inputs = full_inputs(conditions.seq_len)
    calls_us: list[list[list[float]]] = [[] for _ in models]  # by model, round, call
    overheads_us = []
    for _ in range(_ROUNDS):
        for (model, _kernels), rounds in zip(models, calls_us, strict=True):
            rounds.append([call.median_us for call in profile_kernels(model, inputs, repeats=_REPEATS)])
            overheads_us.append(_run_us(model, inputs, conditions.threads) - sum(rounds[-1]))
            bar.update()
    samples: dict[str, list[float]] = {}
    for (_, kernels), rounds in zip(models, calls_us, strict=True):
        for kernel, *times_us in zip(kernels, *rounds, strict=True):
            samples.setdefault(kernel.signature, []).append(statistics.median(times_us))
    return {signature: statistics.fmean(times_us) for signature, times_us in samples.items()}, max(0.0, statistics.median(overheads_us))


def _run_us(model: CompiledModel, inputs: Sequence[np.ndarray], threads: int) -> float:
    """A run's median time; of one thread, without neighbours' time slices, which kernels are too short to meet."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    timing = measure_interleaved({"run": lambda: model.run(*inputs)}, "run", _REPEATS, progress=False, clock=clock)["run"]
    return timing.median_ms * 1e3


def full_inputs(seq_len: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """input_ids, attention_mask, token_type_ids of a sequence without padding."""
    ones = np.ones((1, seq_len), np.int32)
    return ones, ones, np.zeros_like(ones)


@dataclasses.dataclass(frozen=True)
class Residual:
    """A Subnet's price from the table beside its measured time."""

    subnet: Subnet
    price_ms: float
    measured_ms: float

    @property
    def relative_error(self) -> float:
        return self.price_ms / self.measured_ms - 1


def table_residuals(
    table: KernelTable,
    subnets: Sequence[Subnet],
    target: tvm.target.Target,
    rounds: int = 30,
    progress: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Residual]:
    """Price against measurement of whole compiled models, measured side by side.

    The table's medians of single kernels leave out what a busy machine takes from a whole model:
    there, with one thread, `time.thread_time` is the clock to compare by.
    """
    conditions = table.provenance.conditions
    inputs = full_inputs(conditions.seq_len)
    models = {subnet.describe(): _compile(subnet, conditions, target)[0] for subnet in subnets}
    runners = {name: lambda model=model: model.run(*inputs) for name, model in models.items()}
    with pinned(conditions.threads):
        set_num_threads(conditions.threads)
        timings = measure_interleaved(runners, reference=subnets[0].describe(), rounds=rounds, progress=progress, clock=clock)
    return [Residual(subnet, table.price_ms(subnet), timings[subnet.describe()].median_ms) for subnet in subnets]
