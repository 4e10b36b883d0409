"""Runs a checkpoint's arm64 library in every precision under qemu and compares its logits with JAX's in float32.

Errors are root mean squares and largest differences over the first sentences of a task's dev split. Writes a dated JSON.

  python tools/arm64_precision_error.py --checkpoint runs/sst2/teacher --task ../shared/data/glue/SST-2 --seq_len 32 --sentences 8
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import write_result
from bertnas_jax.compiler.precision import PRECISIONS
from bertnas_jax.compiler.targets import TARGETS, named_target
from bertnas_jax.data import TaskSpec, encode, load_task, load_tokenizer
from bertnas_jax.export.c_library import write_c_library
from bertnas_jax.export.library_parity import run_library
from bertnas_jax.export.parity import logits_of, pad_example
from bertnas_jax.model import load_checkpoint, read_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="folder of a model in Hugging Face layout")
    parser.add_argument("--task", required=True, help="folder of the task in GLUE's layout")
    parser.add_argument("--seq_len", type=int, default=32, help="tokens a sentence is cut or padded to (default 32)")
    parser.add_argument("--sentences", type=int, default=8, help="sentences of the dev split (default 8)")
    parser.add_argument("--target", default="android-arm64", choices=TARGETS, help="what is compiled for (default android-arm64)")
    parser.add_argument("--precision", default=",".join(PRECISIONS), help="precisions, separated by commas (default all)")
    given = parser.parse_args()
    folder, task, target = pathlib.Path(given.checkpoint), load_task(TaskSpec(task=given.task)), named_target(given.target)
    model = load_checkpoint(folder, read_config(folder), jax.random.key(0))
    dev = encode(task.dev, load_tokenizer(folder), given.seq_len)
    sequences = [pad_example(dev, position, given.seq_len) for position in range(given.sentences)]
    exact = np.concatenate([np.asarray(logits_of(model, *map(jnp.asarray, inputs))) for inputs in sequences])
    found = {}
    for precision in given.precision.split(","):
        with tempfile.TemporaryDirectory() as made:
            write_c_library(model, [given.seq_len], target, pathlib.Path(made, "c"), precision=precision)
            error = run_library(target, pathlib.Path(made, "c"), sequences).reshape(exact.shape) - exact
        found[precision] = {"rms_error": float(f"{np.sqrt(np.mean(error**2)):.4g}"), "largest_error": float(f"{np.abs(error).max():.4g}")}
        print(precision, found[precision], flush=True)
    fields = {"checkpoint": folder.name, "task": task.name, "sentences": given.sentences, "seq_len": given.seq_len, "target": given.target,
              "subnet": model.config.subnet.describe(), "rms_logit": float(f"{np.sqrt(np.mean(exact**2)):.4g}"), "precisions": found}  # fmt: skip
    print(f"written to {write_result('arm64_precision_error', fields)}")


if __name__ == "__main__":
    main()
