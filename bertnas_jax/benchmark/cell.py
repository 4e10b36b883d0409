"""One model on one number of threads in every runtime, in turn in one process; its figures."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import time

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from bertnas_jax.benchmark.config import REFERENCE, BenchmarkConfig, Shape
from bertnas_jax.benchmark.runtimes import RUNTIMES, Loaded, Subject, rest
from bertnas_jax.data import Encoded
from bertnas_jax.export import max_abs_error, pad_example
from bertnas_jax.latency import Timing, full_inputs, measure_interleaved, pinned
from bertnas_jax.latency.fma_peak import fma_peak
from bertnas_jax.model import Bert, BertConfig, load_checkpoint, read_config, resolve_checkpoint
from bertnas_jax.space import Subnet, product_flops

_VOCABULARY = 1000  # rows of the drawn model's table: a lookup reads L of them, however many there are
_EXAMPLES = 4
_PEAK, _PEAK_OF_ONE = "fma_peak", "fma_peak of one core"


def measure_cell(config: BenchmarkConfig, shape: Shape, threads: int) -> dict:
    """The figures of a shape: of each runtime its times, its share of the FMA peak, its logits' largest error, and the seconds that it took to
    compile or convert the model and load it.

    `peak_scaling` is the peak of all cores by that of one and their number: well under 1 where the machine gave less than its cores.
    """
    model = make_model(config, shape)
    examples = draw_examples(model.config, shape.seq_len, config.seed)
    inputs = full_inputs(shape.seq_len)
    with pinned(threads) as cores, tempfile.TemporaryDirectory() as folder, fma_peak(cores) as peak, fma_peak(cores[:1]) as single:
        subject = Subject(model, shape.seq_len, threads, pathlib.Path(folder))
        bar = tqdm(config.parsed_runtimes(), desc=f"{shape.text}, {threads} threads: loading", file=sys.stderr, leave=False)
        loaded, built_s = {}, {}
        for name in bar:
            start_s = time.perf_counter()
            loaded[name] = RUNTIMES[name].load(subject)
            built_s[name] = round(time.perf_counter() - start_s, 2)
        errors = {name: max_abs_error(model, each.run, examples, shape.seq_len) for name, each in loaded.items()}
        runners = {name: lambda run=each.run: run(*inputs) for name, each in loaded.items()} | {_PEAK: peak.run, _PEAK_OF_ONE: single.run}
        timings = measure_interleaved(runners, REFERENCE, config.rounds, **rest(threads))
    flops = product_flops(model.config.subnet, shape.seq_len)
    figures = {name: _figures(name, loaded[name], timings, flops / peak.flops) | {"logits_max_abs_err": errors[name], "built_s": built_s[name]} for name in loaded}
    return {
        "threads": threads,
        "subnet": model.config.subnet.describe(),
        "seq_len": shape.seq_len,
        "product_gflop": round(flops / 1e9, 3),
        "peak_gflops": round(peak.flops / timings[_PEAK].median_ms / 1e6, 1),
        "peak_scaling": round(float(np.median(np.divide(timings[_PEAK_OF_ONE].samples_ms, timings[_PEAK].samples_ms))), 3),
        "reference_drift": round(timings[REFERENCE].reference_drift, 3),
        "largest_logit": _largest_logit(loaded[REFERENCE], examples, shape.seq_len),
        "runtimes": figures,
    }


def _figures(name: str, loaded: Loaded, timings: dict[str, Timing], of_peak: float) -> dict:
    """`speed_over` another is the median over rounds of its time by this one's."""
    samples = np.array(timings[name].samples_ms)
    over = {other: round(float(np.median(timing.samples_ms / samples)), 4) for other, timing in timings.items() if other != _PEAK_OF_ONE}
    return {
        "dtype": RUNTIMES[name].dtype,
        "how": loaded.how,
        "median_ms": round(timings[name].median_ms, 3),
        "p90_ms": round(timings[name].p90_ms, 3),
        "share_of_peak": round(over.pop(_PEAK) * of_peak, 4),
        "speed_over": {other: ratio for other, ratio in over.items() if other != name},
    }


def make_model(config: BenchmarkConfig, shape: Shape) -> Bert:
    """The checkpoint's model, or one of the shape's sizes with drawn weights.

    Raises:
      ValueError: the checkpoint's positions are fewer than the shape's tokens.
    """
    if shape.subnet is None:
        folder = resolve_checkpoint(config.checkpoint)
        read = read_config(folder)
        if shape.seq_len > read.max_positions:
            raise ValueError(f"tokens must be at most the checkpoint's {read.max_positions} positions, got {shape.seq_len}; give fewer")
        return load_checkpoint(folder, read, jax.random.key(config.seed))
    return draw_model(shape.subnet, shape.seq_len, config.seed)


def draw_model(subnet: Subnet, seq_len: int, seed: int) -> Bert:
    """A model whose activations are of the order of 1, as a trained one's, and of which nothing is 0 or 1 that a trained one's is not."""
    model = nnx.eval_shape(lambda: Bert(BertConfig(subnet, _VOCABULARY, max_positions=seq_len), nnx.Rngs(0)))
    rng = np.random.default_rng(seed)

    def draw(path: tuple, leaf: jax.Array) -> np.ndarray:
        normal, kind = rng.standard_normal(leaf.shape, np.float32), str(path[-2])
        if "kernel" in kind:
            return normal / np.float32(leaf.shape[0]) ** np.float32(0.5)
        return 1 + np.float32(0.1) * normal if "scale" in kind else np.float32(0.1 if "bias" in kind else 1.0) * normal

    nnx.update(model, jax.tree_util.tree_map_with_path(draw, nnx.state(model, nnx.Param)))
    return model


def draw_examples(config: BertConfig, seq_len: int, seed: int) -> Encoded:
    """Sentences of drawn ids and lengths, the longest without padding."""
    rng = np.random.default_rng(seed)
    lengths = [seq_len, *rng.integers(1, seq_len, _EXAMPLES - 1, endpoint=True)]
    ids = tuple(rng.integers(1, config.vocab_size, length).astype(np.int32) for length in lengths)
    return Encoded(ids, tuple(np.zeros_like(each) for each in ids), np.zeros(len(ids), np.int32), config.pad_token_id)


def _largest_logit(loaded: Loaded, examples: Encoded, seq_len: int) -> float:
    """What errors are to be seen against."""
    return round(max(float(np.abs(loaded.run(*pad_example(examples, i, seq_len))).max()) for i in range(len(examples))), 4)
