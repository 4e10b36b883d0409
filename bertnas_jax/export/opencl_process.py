"""Runs an exported OpenCL model in a process of its own.

OpenCL drivers bring compilers of their own: PoCL's LLVM beside those of jaxlib, TVM and TensorFlow once ended a process.
"""

from __future__ import annotations

import io
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int

from bertnas_jax.compiler.targets import MissingToolError
from bertnas_jax.export import opencl_runtime


def run_opencl(folder: str | os.PathLike, sequences: Sequence[Sequence[Int[np.ndarray, "1 L"]]]) -> Float32[np.ndarray, "n C"]:
    """The logits of all sequences, each ids, mask and token types, by the folder that `write_opencl` wrote.

    Raises:
      MissingToolError: there is no pyopencl, or no OpenCL device.
      ValueError: the folder is not whole, or an input is out of its range.
      RuntimeError: the process ends in another way.
    """
    given = io.BytesIO()
    for sequence in sequences:
        np.save(given, np.concatenate(sequence))
    return np.load(io.BytesIO(_run([str(folder)], given.getvalue())))


def opencl_device() -> str:
    """The name of the device that `run_opencl` runs on.

    Raises:
      MissingToolError: there is no pyopencl, or no OpenCL device.
      RuntimeError: asking for devices ends the process that asks.
    """
    return _run([], b"").decode().strip()


def _run(arguments: Sequence[str], given: bytes) -> bytes:
    """What the runtime writes; it is started by its path and without its folder on the module path, so that it imports no module of ours."""
    program = pathlib.Path(opencl_runtime.__file__)
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-P", str(program), *arguments], input=given, capture_output=True)
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == os.EX_UNAVAILABLE:
        raise MissingToolError(said)
    if done.returncode == os.EX_DATAERR:
        raise ValueError(said)
    if done.returncode != os.EX_OK:
        ended = f"signal {signal.Signals(-done.returncode).name}" if done.returncode < 0 else f"exit status {done.returncode}"
        raise RuntimeError(f"an OpenCL model must run to its end, got {ended}; it said: {said[-2000:]}")
    return done.stdout
