"""What each rewrite and each relation that operators are fused over gains: every one left out in turn, same schedules.

All versions of a model run in turns in one process; a gain is the median over rounds of the time without it by the time of
the whole compiler in the same round. `nothing fused` leaves out every rewrite and every relation.

  python tools/fusion_ablation.py --rounds 15
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from flax import nnx
from tqdm import tqdm

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler import CompiledModel, build, host_target, list_kernels, lower, set_num_threads, trace_model
from bertnas_jax.compiler.pipeline import OPTIONAL
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Subnet

# Layers, hidden, heads, ffn, tokens.
SHAPES = ((12, 384, 12, 1536, 128), (4, 312, 12, 1200, 128), (6, 512, 8, 1024, 32))
VERSIONS = {"all": (), **{f"without {name}": (name,) for name in OPTIONAL}, "nothing fused": OPTIONAL}
VOCABULARY = 1000
TURN_S = 0.02  # of one version in one round, at least


def compile_versions(shape: tuple[int, ...]) -> dict[str, tuple[CompiledModel, int]]:
    """Every version of a model with drawn weights, with its number of kernels."""
    *sizes, seq_len = shape
    traced = trace_model(Bert(BertConfig(Subnet.uniform(*sizes), VOCABULARY), nnx.Rngs(0)), seq_len)
    target, made = host_target(), {}
    for name, without in VERSIONS.items():
        lowered = lower(traced, target, without)
        made[name] = build(lowered, target), len(list_kernels(lowered))
    return made


def measure(shape: tuple[int, ...], threads: int, rounds: int) -> dict:
    """Times and gains of one shape."""
    made = compile_versions(shape)
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (1, shape[-1]))
    inputs = ids, np.ones_like(ids), np.zeros_like(ids)
    set_num_threads(threads)
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in tqdm(range(rounds), desc=f"{shape}, {threads} threads", unit="round"):
        for name, (model, _) in made.items():
            times[name].append(seconds(model, inputs))
    gains = {name: statistics.median(slow / fast for slow, fast in zip(values, times["all"], strict=True)) for name, values in times.items()}
    versions = {
        name: {"median_ms": round(1e3 * statistics.median(values), 3), "of_all": round(gains[name], 3), "kernels": made[name][1]}
        for name, values in times.items()
    }
    return {"layers_hidden_heads_ffn_tokens": list(shape), "threads": threads, "dtype": "float32", "versions": versions}


def seconds(model: CompiledModel, inputs: tuple[np.ndarray, ...]) -> float:
    """Of one run, over as many as take a turn; the first does not count."""
    model.run(*inputs)
    start, runs = time.perf_counter(), 0
    while time.perf_counter() - start < TURN_S:
        model.run(*inputs)
        runs += 1
    return (time.perf_counter() - start) / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="turns of every version (default 15)")
    parser.add_argument("--threads", type=int, default=1, help="threads of every model (default 1)")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {given.rounds}; use 15")
    rows = [measure(shape, given.threads, given.rounds) for shape in SHAPES]
    for row in rows:
        print(row["layers_hidden_heads_ffn_tokens"])
        for name, version in row["versions"].items():
            print(f"  {name}: {version['median_ms']} ms, {version['of_all']:.3f} of all, {version['kernels']} kernels")
    print(f"written to {write_result('fusion_ablation', {'rounds': given.rounds, 'shapes': rows})}")


if __name__ == "__main__":
    main()
