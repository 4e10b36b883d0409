"""C libraries made and run."""

import functools
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from bertnas_jax.compiler import lower
from bertnas_jax.compiler.program import program_of
from bertnas_jax.compiler.targets import MissingToolError, c_compiler
from bertnas_jax.export.c_library import EXAMPLE_FILE, LIBRARY_FILE, WEIGHTS_FILE, run_compiler
from bertnas_jax.export.c_plan import C_SOURCES, write_kernels
from bertnas_jax.export.opencl_process import opencl_device
from bertnas_jax.export.weights_file import lay_out_weights, write_weights
from bertnas_jax.space import Layer, Subnet
from tests.compiler.conftest import trace
from tests.export.conftest import make_inputs, make_model

DRIVER = C_SOURCES / "run_model.c"
KERNELS_DRIVER = pathlib.Path(__file__).parent / "run_kernels.c"
ARM64_ROOT = "/usr/aarch64-linux-gnu"  # where Debian's cross compiler keeps its libc


def bert(subnet=None, **sizes):
    return make_model(subnet or Subnet.uniform(2, 32, 4, 48), **{"num_outputs": 2} | sizes)


def sentence(seq_len, seed=0):
    """int32 [1, L] ids, mask and token types; the last quarter is padding."""
    return make_inputs(seq_len, np.arange(seq_len) < max(1, seq_len * 3 // 4), seed)


def random_subnet(rng):
    """One or two equal layers, of sizes that fill vectors or do not."""
    layer = Layer(int(rng.integers(1, 5)), int(rng.choice([16, 30, 64, 96])))
    return Subnet(int(rng.choice([24, 32, 39, 64])), int(rng.choice([8, 13, 16])), (layer,) * int(rng.integers(1, 3)))


def compile_program(target, folder, source=None):
    """The program of a C file, linked with the folder's library."""
    program = folder / "program"
    source = source or folder / EXAMPLE_FILE
    run_compiler([c_compiler(target), str(source), f"-I{folder}", str(folder / LIBRARY_FILE), "-Wl,-rpath,$ORIGIN", "-o", str(program)])
    return program


def run_model(target, folder, inputs, threads=1, emulator=()):
    """The logits that the folder's library computes in a process of its own."""
    program = compile_program(target, folder, DRIVER)
    command = [*emulator, str(program), str(folder / WEIGHTS_FILE), str(threads)]
    done = subprocess.run(command, input=3 * np.concatenate(inputs).astype("<i4").tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    first, *others = np.split(np.frombuffer(done.stdout, "<f4"), 3)
    for other in others:  # the arena of one run is that of the next
        np.testing.assert_array_equal(other, first)
    return first[None]


def run_compiled(target, precision, function, x, folder, emulator=()):
    """What the target's kernels of a function of one float32 array compute, in a process of their own."""
    lowered = lower(trace(lambda x, *unused: function(x), x, x, x), target, precision=precision)
    program = program_of(lowered)
    layout, result = lay_out_weights(program), program.intermediates[program.result.index]
    write_weights(program, layout, folder / "weights")
    write_kernels(lowered, {1: program}, layout, target, folder)
    sources = [KERNELS_DRIVER, folder / "plan.c", folder / "kernels.o", C_SOURCES / "threads.c"]
    run_compiler([c_compiler(target), "-std=gnu11", f"-I{C_SOURCES}", *map(str, sources), "-pthread", "-lm", "-o", str(folder / "program")])
    command = [*emulator, str(folder / "program"), str(folder / "weights"), str(x.nbytes), str(result.num_bytes)]
    done = subprocess.run(command, input=np.ascontiguousarray(x).tobytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    return np.frombuffer(done.stdout, "<f4").reshape(result.shape)


def arm64_emulator():
    """How to start an arm64 program here; skips where that, or the cross compiler, is missing."""
    for program, package in (("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"), ("qemu-aarch64-static", "qemu-user-static")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: the package {package}")
    return ["qemu-aarch64-static", "-L", ARM64_ROOT]


def needs_opencl():
    """Skips where pyopencl or a device is missing."""
    if reason := _lacks_opencl():
        pytest.skip(reason)


@functools.cache
def _lacks_opencl():
    """Why nothing here runs OpenCL, asked once in another process; None if something does."""
    try:
        opencl_device()
    except MissingToolError as error:
        return str(error)
    return None
