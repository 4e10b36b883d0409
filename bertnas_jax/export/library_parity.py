"""How far the logits of an exported C library or OpenCL model are from those of JAX in float32, where this machine can run it."""

from __future__ import annotations

import dataclasses
import pathlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
import tvm
from jaxtyping import Float32, Int32

from bertnas_jax.compiler.targets import MissingToolError, c_compiler, is_arm64, is_opencl
from bertnas_jax.export.c_library import LIBRARY_SOURCES, SOURCE_FOLDER, WEIGHTS_FILE, run_compiler
from bertnas_jax.export.c_plan import C_SOURCES
from bertnas_jax.export.opencl_process import opencl_device, run_opencl
from bertnas_jax.export.parity import Inputs, logits_of
from bertnas_jax.model import Bert

_EMULATORS = ("qemu-aarch64-static", "qemu-aarch64")
_SEED = 0


@dataclasses.dataclass(frozen=True)
class LibraryParity:
    """The largest difference of any logit, and the largest logit of JAX, over `sequences` of drawn ids; `where` they ran."""

    max_abs_error: float
    largest_logit: float
    sequences: int
    where: str


def draw_sequences(vocab_size: int, token_types: int, seq_len: int, count: int) -> list[Inputs]:
    """Sequences of drawn ids, the first as long as it may be, the others shorter and padded."""
    rng = np.random.default_rng(_SEED)
    sequences = []
    for number in range(count):
        length = seq_len if number == 0 else int(rng.integers(1, seq_len + 1))
        mask = (np.arange(seq_len) < length).astype(np.int32)[None]
        ids, types = (rng.integers(0, end, (1, seq_len)).astype(np.int32) * mask for end in (vocab_size, token_types))
        sequences.append((ids, mask, types))
    return sequences


def measure_library(model: Bert, seq_len: int, target: tvm.target.Target, folder: pathlib.Path, count: int) -> LibraryParity:
    """Runs the folder that `write_c_library`, or of an OpenCL target `write_opencl`, wrote of the model.

    Raises:
      MissingToolError: this machine lacks what runs it: a C compiler, an emulator, an OpenCL device.
      RuntimeError: what is run fails.
    """
    sequences = draw_sequences(model.config.vocab_size, model.config.type_vocab_size, seq_len, count)
    expected = np.concatenate([np.asarray(logits_of(model, *map(jnp.asarray, inputs))) for inputs in sequences])
    if is_opencl(target):
        got, where = run_opencl(folder, sequences), f"on the OpenCL device {opencl_device()}"
    else:
        got, where = run_library(target, folder, sequences).reshape(expected.shape), _emulator(target)[1]
    return LibraryParity(float(np.max(np.abs(got - expected))), float(np.max(np.abs(expected))), count, where)


def run_library(
    target: tvm.target.Target, folder: pathlib.Path, sequences: Sequence[tuple[Int32[np.ndarray, "1 L"], ...]]
) -> Float32[np.ndarray, " n"]:
    """The logits of all sequences one after the other, by a program of the library's own sources for Linux.

    Raises:
      MissingToolError: this machine lacks what runs it, a C compiler or an emulator.
      RuntimeError: the library fails.
    """
    emulator, _ = _emulator(target)
    source = folder / SOURCE_FOLDER
    with tempfile.TemporaryDirectory() as made:
        program = f"{made}/run_model"
        files = [str(source / name) for name in LIBRARY_SOURCES]
        run_compiler([c_compiler(target), "-std=gnu11", "-O2", "-static", f"-I{source}", str(C_SOURCES / "run_model.c"), *files, "-pthread", "-lm", "-o", program])
        inputs = b"".join(np.concatenate(sequence).astype("<i4").tobytes() for sequence in sequences)
        done = subprocess.run([*emulator, program, str(folder / WEIGHTS_FILE), "1"], input=inputs, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"the library must run, got exit status {done.returncode}; it said: {done.stderr.decode(errors='replace').strip()[-2000:]}")
    return np.frombuffer(done.stdout, "<f4")


def _emulator(target: tvm.target.Target) -> tuple[list[str], str]:
    """The words before a program of the target, and where it then runs."""
    if not is_arm64(target) or platform.machine() == "aarch64":
        return [], "on this machine"
    if path := next(filter(None, map(shutil.which, _EMULATORS)), None):
        return [path], "under qemu-aarch64"
    raise MissingToolError(f"an emulator must be installed to run the library, got none of {_EMULATORS}; install the package qemu-user-static")
