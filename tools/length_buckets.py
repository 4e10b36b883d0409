"""What shorter inputs cost in a library of several lengths, against the same model compiled at the whole length alone.

Inputs of every number of tokens run in turns through both, in one process; a gain is the median over rounds of the time at
the whole length by the time in the bucket, in the same round.

  python tools/length_buckets.py --rounds 30
"""

from __future__ import annotations

import argparse
import functools

import numpy as np
from flax import nnx

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler import bucket_lengths, compile_lengths, compile_model, host_target, set_num_threads
from bertnas_jax.latency import measure_interleaved, pinned
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Subnet

SUBNET, SEQ_LEN, VOCABULARY = Subnet.uniform(12, 384, 12, 1536), 128, 1000
TOKENS = (8, 16, 25, 50, 64, 100, 128)


def inputs_of(tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A padded sentence of so many tokens."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (1, SEQ_LEN), dtype=np.int32)
    return ids, (np.arange(SEQ_LEN) < tokens).astype(np.int32)[None], np.zeros_like(ids)


def measure(threads: int, rounds: int) -> list[dict]:
    """A row for every number of tokens."""
    model, target = Bert(BertConfig(SUBNET, VOCABULARY), nnx.Rngs(0)), host_target()
    rows = []
    with pinned(threads):
        set_num_threads(threads)
        bucketed, whole = compile_lengths(model, bucket_lengths(SEQ_LEN), target), compile_model(model, SEQ_LEN, target)
        for tokens in TOKENS:
            inputs = inputs_of(tokens)
            runners = {"bucketed": functools.partial(bucketed.run, *inputs), "whole": functools.partial(whole.run, *inputs)}
            found = measure_interleaved(runners, "bucketed", rounds)
            times = {name: round(timing.median_ms, 3) for name, timing in found.items()}
            rows.append({"tokens": tokens, "median_ms": times, "times_as_fast": round(found["whole"].ratio, 3)})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    fields = {"subnet": SUBNET.describe(), "seq_len": SEQ_LEN, "buckets": bucket_lengths(SEQ_LEN), "dtype": "float32"}
    rows = measure(given.threads, given.rounds)
    print(f"written to {write_result('length_buckets', fields | {'threads': given.threads, 'rounds': given.rounds, 'rows': rows})}")


if __name__ == "__main__":
    main()
