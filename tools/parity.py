"""How far compiled models are from JAX, over random Subnets, lengths and masks; a dated JSON of every error.

Subnets have any sizes, even or not; of each Subnet's masks one is padding after at least a token, the others are any bits and once
in ten none at all. They run compiled for this machine and, the first of them, as the C library for a Cortex-A76 under qemu-aarch64 and
as OpenCL C on the OpenCL device that is there (PoCL is one on the CPU). What is done is kept in the workdir, and the same command goes on from there.

  python tools/parity.py --host 200 --arm64 10 --opencl 10 --workdir runs/parity
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from collections.abc import Callable, Mapping

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.cell import draw_model
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.compiler import compile_model, host_target
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_OPENCL, named_target
from bertnas_jax.errors import explained
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.library_parity import run_library
from bertnas_jax.export.opencl_files import write_opencl
from bertnas_jax.export.opencl_process import run_opencl
from bertnas_jax.export.parity import Inputs, logits_of
from bertnas_jax.model import Bert
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


def draw_inputs(rng: np.random.Generator, vocab_size: int, seq_len: int, padded: bool) -> Inputs:
    """int32 [1, L] ids, mask and token types."""
    kept = 0.0 if rng.random() < 0.1 else rng.random()
    mask = np.arange(seq_len) < rng.integers(1, seq_len, endpoint=True) if padded else rng.random(seq_len) < kept
    ids, mask, types = (row.astype(np.int32)[None] for row in (rng.integers(0, vocab_size, seq_len), mask, rng.integers(0, 2, seq_len)))
    return ids, mask, types


def run_on_host(model: Bert, seq_len: int, inputs: list[Inputs]) -> list[np.ndarray]:
    """Logits of each input by the model compiled for this machine."""
    compiled = compile_model(model, seq_len, host_target())
    return [compiled.run(*each) for each in inputs]


def run_on_arm64(model: Bert, seq_len: int, inputs: list[Inputs]) -> list[np.ndarray]:
    """Logits of each input by the C library, emulated where this machine is no Arm CPU."""
    target = named_target(ANDROID_ARM64)
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made) / "library"
        write_c_library(model, [seq_len], target, folder)
        return list(run_library(target, folder, inputs).reshape(len(inputs), 1, -1))


def run_on_opencl(model: Bert, seq_len: int, inputs: list[Inputs]) -> list[np.ndarray]:
    """Logits of each input by OpenCL C on the first device."""
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made) / "opencl"
        write_opencl(model, [seq_len], named_target(ANDROID_OPENCL), folder)
        return list(run_opencl(folder, inputs)[:, None])


PLACES: dict[str, Callable[[Bert, int, list[Inputs]], list[np.ndarray]]] = {"host": run_on_host, "arm64": run_on_arm64, "opencl": run_on_opencl}


def compare(place: str, number: int) -> dict:
    """The Subnet of that number, and its largest error of a logit there."""
    rng = np.random.default_rng(number)
    subnet, seq_len = draw_subnet(rng), int(rng.integers(1, MAX_TOKENS, endpoint=True))
    model = draw_model(subnet, seq_len, number)
    inputs = [draw_inputs(rng, model.config.vocab_size, seq_len, padded=turn == 0) for turn in range(MASKS)]
    expected = np.stack([np.asarray(logits_of(model, *map(jnp.asarray, each))) for each in inputs])
    got = np.stack(PLACES[place](model, seq_len, inputs))
    return {
        "subnet": subnet.describe(),
        "seq_len": seq_len,
        "max_abs_err": float(np.abs(got - expected).max()),
        "largest_logit": float(np.abs(expected).max()),
    }


def run(counts: Mapping[str, int], workdir: pathlib.Path, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """Compares what the workdir lacks, so many Subnets in each place.

    Raises:
      RuntimeError: an error is above the limit, or a logit is not a number.
    """
    check_settings(workdir, {"target": str(host_target())})
    rows: dict[str, list[dict]] = {}
    for place, count in counts.items():
        with tqdm(total=count, desc=place, unit="subnet", file=sys.stderr) as bar:

            def record(key: str, place: str = place, bar: tqdm = bar) -> dict:
                fields = compare(place, int(key))
                bar.set_postfix_str(f"{fields['max_abs_err']:.1e}")
                bar.update()
                return fields

            rows[place] = recorded(workdir / f"{place}.jsonl", "number", map(str, range(count)), record)
    worst = {place: max(there, key=lambda row: np.nan_to_num(row["max_abs_err"], nan=np.inf)) for place, there in rows.items() if there}
    largest = {place: row["max_abs_err"] for place, row in worst.items()}
    path = write_result("parity", {"limit": LIMIT, "largest_error": largest, "subnets": rows}, results)
    for place, row in worst.items():
        print(f"{place}: the largest error over {len(rows[place])} Subnets is {row['max_abs_err']:.2e}, of {row['subnet']}, L={row['seq_len']}")
    print(f"written to {path}")
    if over := [(place, row) for place, row in worst.items() if not row["max_abs_err"] <= LIMIT]:  # NaN fails too
        place, row = over[0]
        raise RuntimeError(f"errors must be at most {LIMIT}, got {row['max_abs_err']} of {row['subnet']} on {place}; look at number {row['number']}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", type=int, default=200, help="Subnets on this machine (default 200, some 10 minutes)")
    parser.add_argument("--arm64", type=int, default=10, help="Subnets under qemu-aarch64 (default 10, a minute)")
    parser.add_argument("--opencl", type=int, default=10, help="Subnets on the OpenCL device (default 10, a minute)")
    parser.add_argument("--workdir", type=pathlib.Path, default=pathlib.Path("runs/parity"), help="where errors are kept")
    given = parser.parse_args()
    counts = {place: getattr(given, place) for place in PLACES}
    if min(counts.values()) < 0 or not any(counts.values()):
        parser.error(f"--host, --arm64 and --opencl must be at least 0 and one of them more, got {counts}; leave them out for 200, 10 and 10")
    with explained():
        run(counts, given.workdir)


if __name__ == "__main__":
    main()
