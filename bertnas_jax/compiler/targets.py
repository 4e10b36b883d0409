"""What the compiler compiles for."""

from __future__ import annotations

import shutil

import tvm
from tvm.target import codegen

_LINKERS = ("g++", "gcc", "clang++", "clang", "c++", "cc")  # what TVM looks for, in its order
# The schedules are written for at least 8 float32 lanes with fused multiply-add.
_NEEDED_FEATURES = ("avx2", "fma")

# The cores that most phones of the last years have as their fast ones.
# Source: LLVM's AArch64Processors.td: the A76 is Armv8.2-A with dot products of int8 (dotprod) and float16 arithmetic.
ANDROID_ARM64, ANDROID_ARM64_PLAIN = "android-arm64", "android-arm64-nodot"
_ARM64 = {
    ANDROID_ARM64: {"mcpu": "cortex-a76", "mattr": ["+neon", "+dotprod", "+fullfp16"]},
    ANDROID_ARM64_PLAIN: {"mcpu": "cortex-a73", "mattr": ["+neon"]},  # Armv8.0-A, as phones of before 2018 have it
}
# Work-items of a group that Adreno and Mali (128 to 1024, by the kernel's registers) all start.
WORK_GROUP = 128
_ARM64_TRIPLE = "aarch64-linux-gnu"
_ARM64_COMPILER = "aarch64-linux-gnu-gcc"
ANDROID_OPENCL = "android-opencl"
CPU_TARGETS = ("host", *_ARM64)
TARGETS = (*CPU_TARGETS, ANDROID_OPENCL)


class MissingToolError(RuntimeError):
    """A program that is not installed here; the message names the package that brings it."""


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


def named_target(name: str) -> tvm.target.Target:
    """The target of that name, one of `TARGETS`.

    Raises:
      ValueError: there is no such target.
    """
    if name == "host":
        return host_target()
    if name == ANDROID_OPENCL:
        return tvm.target.Target({"kind": "opencl", "max_num_threads": WORK_GROUP, "host": {"kind": "llvm"}})
    if name not in _ARM64:
        raise ValueError(f"a target must be one of {', '.join(TARGETS)}, got {name!r}; choose one of those")
    return tvm.target.Target({"kind": "llvm", "mtriple": _ARM64_TRIPLE, **_ARM64[name]})


def is_arm64(target: tvm.target.Target) -> bool:
    """True if the target is a 64-bit Arm CPU."""
    return str(target.attrs.get("mtriple", "")).startswith(("aarch64", "arm64"))


def is_opencl(target: tvm.target.Target) -> bool:
    """True if the target is a GPU that OpenCL drives."""
    return target.kind.name == "opencl"


def c_compiler(target: tvm.target.Target, command: str = "") -> str:
    """The path of the C compiler of that name, or of the target's own.

    Raises:
      MissingToolError: it is not installed.
    """
    for name in (command,) if command else (_ARM64_COMPILER,) if is_arm64(target) else ("gcc", "cc", "clang"):
        if path := shutil.which(name):
            return path
    if command:
        raise MissingToolError(f"compiler must name a C compiler that is installed, got {command!r}; give its path, or none for the target's own")
    wanted, package = (_ARM64_COMPILER, "gcc-aarch64-linux-gnu") if is_arm64(target) else ("gcc", "gcc")
    raise MissingToolError(f"a C compiler must be installed to link the library, got no {wanted}; install the package {package}")
