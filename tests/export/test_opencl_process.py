"""The runtime in its own process: what it imports, and how its end is told."""

import os
import subprocess
import sys

import numpy as np
import pytest

from bertnas_jax.compiler.targets import ANDROID_OPENCL, MissingToolError, named_target
from bertnas_jax.export import opencl_runtime
from bertnas_jax.export.opencl_files import LAUNCHES_FILE, OPENCL_WEIGHTS_FILE, PROGRAM_FILE, SOURCE_FILE, write_opencl
from bertnas_jax.export.opencl_process import opencl_device, run_opencl
from tests.export.libraries import bert, needs_opencl, sentence

L = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opencl") / "gpu"
    write_opencl(bert(), [L], named_target(ANDROID_OPENCL), folder)
    return folder


def test_the_runtime_imports_no_other_compiler():
    needs_opencl()
    done = subprocess.run([sys.executable, "-X", "importtime", "-P", opencl_runtime.__file__], check=True, capture_output=True, text=True)
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert {"numpy", "pyopencl"} <= imported
    assert not {"bertnas_jax", "jax", "jaxlib", "tvm", "tensorflow", "transformers"} & imported


def test_this_process_loads_no_opencl(folder):
    needs_opencl()
    assert opencl_device()
    run_opencl(folder, [sentence(L)])
    assert "pyopencl" not in sys.modules


@pytest.mark.slow
def test_the_folder_brings_a_driver_that_needs_no_package(folder, tmp_path):
    needs_opencl()
    inputs = sentence(L)
    with (tmp_path / "sequences.npy").open("wb") as file:
        for _ in range(2):
            np.save(file, np.concatenate(inputs))
    with (tmp_path / "sequences.npy").open("rb") as given, (tmp_path / "logits.npy").open("wb") as logits:
        subprocess.run([sys.executable, "-I", folder / PROGRAM_FILE, folder], check=True, stdin=given, stdout=logits, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), run_opencl(folder, [inputs] * 2))


@pytest.mark.slow
def test_a_process_that_dies_is_told_with_its_signal(folder, tmp_path):
    """A kernel that writes to address 0 takes PoCL with it, and not this process."""
    needs_opencl()
    if not opencl_device().startswith(("cpu", "pthread")):
        pytest.skip("no device of PoCL on the CPU: a GPU may survive a write to address 0")
    for name in (LAUNCHES_FILE, OPENCL_WEIGHTS_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    source = (folder / SOURCE_FILE).read_text()
    (tmp_path / SOURCE_FILE).write_text(source.replace(") {\n", ") {\n  *(volatile __global int*)get_global_offset(0) = 1;\n", 1))
    with pytest.raises(RuntimeError, match=r"must run to its end, got signal SIGSEGV; it said: (.|\n)*Segmentation fault"):
        run_opencl(tmp_path, [sentence(L)])


def test_a_source_that_does_not_compile_is_told_with_what_was_said(folder, tmp_path):
    needs_opencl()
    for name in (LAUNCHES_FILE, OPENCL_WEIGHTS_FILE):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / SOURCE_FILE).write_text("__kernel void nonsense(")
    with pytest.raises(RuntimeError, match=r"got exit status 1; it said: (.|\n)*BUILD_PROGRAM_FAILURE"):
        run_opencl(tmp_path, [sentence(L)])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    needs_opencl()
    with pytest.raises(ValueError, match=f"No such file or directory: .*{LAUNCHES_FILE}"):
        run_opencl(tmp_path, [sentence(L)])


def test_no_device_is_a_missing_tool(monkeypatch):
    """The loader of OpenCL looks for drivers where this variable says."""
    needs_opencl()
    monkeypatch.setenv("OCL_ICD_VENDORS", os.devnull)
    with pytest.raises(MissingToolError, match="an OpenCL device must be there, got none; install the package pocl-opencl-icd"):
        opencl_device()
