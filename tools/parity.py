"""How far compiled models are from JAX, over random Subnets, lengths and masks; a dated JSON of every error.

Subnets have any sizes, even or not; masks are any bits and once in ten none at all. What is done is kept in the workdir, and the
same command goes on from there.

  python tools/parity.py --subnets 200 --workdir runs/parity
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from bertnas_jax.benchmark import write_result
from bertnas_jax.benchmark.cell import draw_model
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.errors import explained
from bertnas_jax.space import Layer, Subnet

LIMIT = 1e-4
MAX_TOKENS = 128
MAX_DEPTH, MAX_HIDDEN, MAX_HEAD_DIM, MAX_HEADS, MAX_FFN = 6, 384, 64, 12, 1536
MASKS = 3  # of each Subnet


def draw_subnet(rng: np.random.Generator) -> Subnet:
    """Any sizes up to the largest."""
    hidden, head_dim, depth = (int(rng.integers(1, most, endpoint=True)) for most in (MAX_HIDDEN, MAX_HEAD_DIM, MAX_DEPTH))
    layers = (Layer(int(rng.integers(1, MAX_HEADS, endpoint=True)), int(rng.integers(1, MAX_FFN, endpoint=True))) for _ in range(depth))
    return Subnet(hidden, head_dim, tuple(layers))


def draw_inputs(rng: np.random.Generator, vocab_size: int, seq_len: int) -> tuple[np.ndarray, ...]:
    """int32 [1, L] ids, mask and token types."""
    kept = 0.0 if rng.random() < 0.1 else rng.random()
    rows = rng.integers(0, vocab_size, seq_len), rng.random(seq_len) < kept, rng.integers(0, 2, seq_len)
    return tuple(row.astype(np.int32)[None] for row in rows)


def compare(number: int) -> dict:
    """The Subnet of that number, and its largest error of a logit."""
    rng = np.random.default_rng(number)
    subnet, seq_len = draw_subnet(rng), int(rng.integers(1, MAX_TOKENS, endpoint=True))
    model = draw_model(subnet, seq_len, number)
    compiled, errors, largest = compile_model(model, seq_len, host_target()), [], 0.0
    for _ in range(MASKS):
        inputs = draw_inputs(rng, model.config.vocab_size, seq_len)
        expected = np.asarray(model(*map(jnp.asarray, inputs)))
        errors.append(float(np.abs(compiled.run(*inputs) - expected).max()))
        largest = max(largest, float(np.abs(expected).max()))
    return {"subnet": subnet.describe(), "seq_len": seq_len, "max_abs_err": float(np.max(errors)), "largest_logit": largest}


def run(subnets: int, workdir: pathlib.Path) -> pathlib.Path:
    """Compares what the workdir lacks.

    Raises:
      RuntimeError: an error is above the limit, or a logit is not a number.
    """
    check_settings(workdir, {"target": str(host_target())})
    with tqdm(total=subnets, desc="subnets", file=sys.stderr) as bar:

        def record(key: str) -> dict:
            fields = compare(int(key))
            bar.set_postfix_str(f"{fields['max_abs_err']:.1e}")
            bar.update()
            return fields

        rows = recorded(workdir / "subnets.jsonl", "number", map(str, range(subnets)), record)
    worst = max(rows, key=lambda row: np.nan_to_num(row["max_abs_err"], nan=np.inf))
    path = write_result("parity", {"limit": LIMIT, "largest_error": worst["max_abs_err"], "subnets": rows})
    print(f"written to {path}; the largest error over {subnets} Subnets is {worst['max_abs_err']:.2e}, of {worst['subnet']}, L={worst['seq_len']}")
    if not worst["max_abs_err"] <= LIMIT:  # NaN fails too
        raise RuntimeError(f"errors must be at most {LIMIT}, got {worst['max_abs_err']} of {worst['subnet']}; look at number {worst['number']}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subnets", type=int, default=200, help="how many (default 200, some 10 minutes)")
    parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/parity"), help="where errors are kept")
    given = parser.parse_args()
    if given.subnets < 1:
        parser.error(f"--subnets must be at least 1, got {given.subnets}; use 200")
    with explained():
        run(given.subnets, given.workdir)


if __name__ == "__main__":
    main()
