"""What the compiler compiles for."""

from __future__ import annotations

import shutil

import tvm
from tvm.target import codegen

_LINKERS = ("g++", "gcc", "clang++", "clang", "c++", "cc")  # what TVM looks for, in its order
# The schedules are written for at least 8 float32 lanes with fused multiply-add.
_NEEDED_FEATURES = ("avx2", "fma")


def host_target() -> tvm.target.Target:
    """The CPU of this machine, as LLVM names it.

    Raises:
      RuntimeError: no C compiler to link with, or a CPU without AVX2 and FMA.
    """
    if not any(shutil.which(name) for name in _LINKERS):
        raise RuntimeError(f"a C++ compiler must be installed to link compiled models, got none of {_LINKERS}; install the package g++")
    cpu = codegen.llvm_get_system_cpu()
    target = tvm.target.Target({"kind": "llvm", "mcpu": cpu, "mtriple": codegen.llvm_get_system_triple()})
    with target:
        missing = [feature for feature in _NEEDED_FEATURES if not codegen.target_has_features(feature, target)]
    if missing:
        raise RuntimeError(f"the CPU must have AVX2 and FMA, got {cpu} without {', '.join(missing)}; use an x86-64-v3 machine")
    return target
