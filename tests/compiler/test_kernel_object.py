import shutil
import subprocess

import pytest

from bertnas_jax.compiler import list_kernels, lower, trace_model
from bertnas_jax.compiler.kernel_object import write_kernel_object
from bertnas_jax.compiler.targets import named_target

# What threads.c provides; libm has the rest that a compiler may call.
RUNTIME = {"__TVMBackendParallelLaunch", "__TVMBackendAllocWorkspace", "__TVMBackendFreeWorkspace"}


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed: the package binutils")
@pytest.mark.parametrize("name", ["host", "android-arm64"])
def test_the_object_has_every_kernel_and_needs_no_tvm(name, make_bert, tmp_path):
    target = named_target(name)
    lowered = lower(trace_model(make_bert(), 16), target)
    write_kernel_object(lowered, target, tmp_path / "kernels.o")
    listed = subprocess.run(["nm", tmp_path / "kernels.o"], check=True, capture_output=True, text=True).stdout
    symbols = [line.split()[-2:] for line in listed.splitlines()]
    assert {kernel.name for kernel in list_kernels(lowered)} == {symbol for kind, symbol in symbols if kind == "T"}
    needed = {symbol for kind, symbol in symbols if kind in "UVv"}
    assert needed <= RUNTIME | {"memcpy", "memset"}
