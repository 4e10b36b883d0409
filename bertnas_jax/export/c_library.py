"""A model as a shared library with a plain C interface: no TVM, no Python and nothing but libc on the device.

The kernels are TVM's machine code; what calls them in order, and the threads they run on, are C
(`c_sources/`).
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess
from collections.abc import Sequence

import tvm

from bertnas_jax.compiler import lower, trace_model
from bertnas_jax.compiler.length_buckets import function_of, merge_lengths
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.program import programs_of
from bertnas_jax.compiler.targets import c_compiler, is_arm64
from bertnas_jax.export.c_plan import C_SOURCES, HEADER_FILE, header_text, write_kernels
from bertnas_jax.export.weights_file import lay_out_weights, write_weights
from bertnas_jax.model import Bert
from bertnas_jax.whole_file import whole

LIBRARY_FILE, WEIGHTS_FILE, EXAMPLE_FILE, SOURCE_FOLDER = "libbertnas.so", "bertnas.weights", "example.c", "source"
_SOURCES = ("model.c", "threads.c", "threads.h", "plan.h", "exported.map")
LIBRARY_SOURCES = ("model.c", "threads.c", "plan.c", "kernels.o")
_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
_LINK_FLAGS = ("-shared", "-pthread", "-Wl,-z,noexecstack", "-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-soname,libbertnas.so", "-lm")

_ARM64_LINK_FLAGS = ("-Wl,-z,max-page-size=16384",)  # Android 15 loads no other on devices with pages of 16 KB


def write_c_library(
    model: Bert,
    lengths: Sequence[int],
    target: tvm.target.Target,
    folder: pathlib.Path,
    compiler: str = "",
    precision: Precision = "float32",
) -> None:
    """Writes library, weights, header, example and the library's sources into a folder, whole or not at all.

    A sentence runs at the least of `lengths` that holds its last token; the longest is the model's.

    `compiler` links for the target's system: a C compiler of the Android NDK for a phone, the
    target's own for Linux without it.

    Raises:
      RuntimeError: there is no such compiler, or it fails.
    """
    compiler = c_compiler(target, compiler)
    lengths, seq_len = sorted(set(lengths)), max(lengths)
    lowered = merge_lengths({length: lower(trace_model(model, length), target, precision=precision) for length in lengths})
    programs = programs_of(lowered, list(map(function_of, lengths)))
    layout = lay_out_weights(*programs)
    subnet = model.config.subnet.describe()
    with whole(pathlib.Path(folder)) as partial:
        source = partial / SOURCE_FOLDER
        source.mkdir(parents=True)
        header = header_text(model.config, seq_len, f"{subnet}, {seq_len} tokens, {precision}, for {target.attrs['mcpu']}.")
        for place in (source, partial):
            (place / HEADER_FILE).write_text(header, encoding="utf-8")
        write_kernels(lowered, dict(zip(lengths, programs, strict=True)), layout, target, source)
        for name in _SOURCES:
            shutil.copyfile(C_SOURCES / name, source / name)
        shutil.copyfile(C_SOURCES / EXAMPLE_FILE, partial / EXAMPLE_FILE)
        link(compiler, source, partial / LIBRARY_FILE, _ARM64_LINK_FLAGS if is_arm64(target) else ())
        write_weights(programs[0], layout, partial / WEIGHTS_FILE)


def link(compiler: str, source: pathlib.Path, library: pathlib.Path, flags: Sequence[str] = ()) -> None:
    """Makes the library of its sources."""
    files = [str(source / name) for name in LIBRARY_SOURCES]
    version_script = f"-Wl,--version-script={source / 'exported.map'}"
    run_compiler([compiler, *_FLAGS, *files, *_LINK_FLAGS, *flags, version_script, "-o", str(library)])


def run_compiler(command: Sequence[str]) -> None:
    """Runs a compiler.

    Raises:
      RuntimeError: it says that something is wrong; the message ends with its own.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} must compile the library, got exit status {done.returncode}; it said: {done.stderr.strip()[-2000:]}")
