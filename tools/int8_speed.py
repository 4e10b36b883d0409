"""Measures our int8 models against our float32 ones and TensorFlow Lite's, interleaved, and writes a dated JSON.

TensorFlow Lite's int8 is dynamic-range: int8 weights, activations quantised as it runs, by TensorFlow's converter of
the model as a tf.function over plain matmuls. Same drawn weights, same process. In its turn a model starts once all
threads of the one before have gone to sleep (each runtime's spin for a while, and would take half of the cores from it), and
runs as often as fills the turn. Ratios are medians over rounds of the time of TensorFlow Lite's dynamic-range model by that
of the model in the same round. Errors are root mean squares of logits against our float32 ones over random sentences,
relative to the root mean square of those.

  python tools/int8_speed.py --rounds 15
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from flax import nnx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler import compile_model, host_target, set_num_threads
from bertnas_jax.compiler.integer_dot import PRECISIONS, integer_dots
from bertnas_jax.export import TfliteModel
from bertnas_jax.latency import usable_cores
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Subnet
from tests.export.tensorflow_oracle import convert

# Layers, hidden, heads, ffn, tokens.
SHAPES = (
    (12, 768, 12, 3072, 128),
    (12, 384, 12, 1536, 128),
    (6, 384, 12, 1536, 128),
    (4, 256, 4, 1024, 128),
    (4, 312, 12, 1200, 128),
    (6, 512, 8, 1024, 32),
    (12, 384, 12, 1536, 32),
)
VOCABULARY = 1000
BASELINE, FLOAT = "tflite dynamic range", "tvm float32"
SENTENCES = 16
SETTLE_S, WARMUP_S, TURN_S = 0.1, 0.02, 0.03


def load(shape: tuple[int, ...], folder: pathlib.Path, threads: list[int]) -> tuple[dict, dict]:
    """Our models by name, and TensorFlow Lite's by name and number of threads."""
    *sizes, seq_len = shape
    model = Bert(BertConfig(Subnet.uniform(*sizes), VOCABULARY), nnx.Rngs(0))
    ours = {f"tvm {precision}": compile_model(model, seq_len, host_target(), precision) for precision in PRECISIONS}
    theirs = {}
    for name, is_int8 in (("tflite float32", False), (BASELINE, True)):
        path = folder / f"{name}.tflite"
        path.write_bytes(convert(model, seq_len, tf, dynamic_range=is_int8))
        theirs |= {(name, count): TfliteModel(path, count) for count in threads}
    return ours, theirs


def errors(models: dict, seq_len: int) -> dict[str, float]:
    """The error of every model's logits."""
    rng, logits = np.random.default_rng(0), {name: [] for name in models}
    for _ in range(SENTENCES):
        ids = rng.integers(0, VOCABULARY, (1, seq_len)).astype(np.int32)
        mask = (np.arange(seq_len)[None] < rng.integers(seq_len // 4, seq_len + 1)).astype(np.int32)
        for name, model in models.items():
            logits[name].append(model.run(ids, mask, np.zeros_like(ids)).copy())
    exact = np.array(logits[FLOAT])
    return {name: float(np.sqrt(np.mean((np.array(found) - exact) ** 2) / np.mean(exact**2))) for name, found in logits.items()}


def measure(shape: tuple[int, ...], rounds: int) -> list[dict]:
    """One row per number of threads."""
    threads = sorted({1, len(usable_cores())})
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = load(shape, pathlib.Path(folder), threads)
        ids = np.random.default_rng(0).integers(0, VOCABULARY, (1, shape[-1])).astype(np.int32)
        inputs = ids, np.ones_like(ids), np.zeros_like(ids)
        found = errors(ours | {name: model for (name, count), model in theirs.items() if count == 1}, shape[-1])
        for count in threads:
            set_num_threads(count)
            models = ours | {name: model for (name, used), model in theirs.items() if used == count}
            times: dict[str, list[float]] = {name: [] for name in models}
            for _ in range(rounds):
                for name, model in models.items():
                    times[name].append(milliseconds(lambda model=model: model.run(*inputs)))
            rows.append({"layers_hidden_heads_ffn_tokens": list(shape), "threads": count, "models": summarise(times, found)})
    return rows


def milliseconds(run: Callable[[], object]) -> float:
    """Of one run, in a turn of its own."""
    time.sleep(SETTLE_S)
    repeat(run, WARMUP_S)
    start = time.perf_counter()
    runs = repeat(run, TURN_S)
    return (time.perf_counter() - start) / runs * 1e3


def repeat(run: Callable[[], object], least_s: float) -> int:
    """How often it ran in at least that time."""
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < least_s:
        run()
        runs += 1
    return runs


def summarise(times: dict[str, list[float]], found: dict[str, float]) -> dict:
    """Times, ratios and errors by model."""
    return {
        name: {
            "median_ms": round(statistics.median(taken), 3),
            "times_as_fast_as_dynamic_range": round(statistics.median(theirs / own for theirs, own in zip(times[BASELINE], taken, strict=True)), 3),
            "relative_rms_error": float(f"{found[name]:.3g}"),
        }
        for name, taken in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of every model (default 15)")
    parser.add_argument("--shapes", default="", help="which of the shapes, by number from 0, separated by commas (default all)")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {given.rounds}; use 15")
    chosen = [SHAPES[int(number)] for number in given.shapes.split(",")] if given.shapes else SHAPES
    rows = [row for shape in chosen for row in measure(shape, given.rounds)]
    for row in rows:
        print(row["layers_hidden_heads_ffn_tokens"], row["threads"], "threads")
        for name, model in row["models"].items():
            print("  {}: {median_ms} ms, {times_as_fast_as_dynamic_range} x, error {relative_rms_error}".format(name, **model))
    names = rows[0]["models"]
    means = {
        name: round(statistics.geometric_mean(row["models"][name]["times_as_fast_as_dynamic_range"] for row in rows), 3) for name in names
    }
    print("geometric means:", means)
    with host_target():
        dots = {precision: dot.instruction for precision, dot in integer_dots().items()}
    fields = {"rounds": given.rounds, "instructions": dots, "geometric_mean_times_as_fast": means, "rows": rows}
    print(f"written to {write_result('int8_speed', fields)}")


if __name__ == "__main__":
    main()
