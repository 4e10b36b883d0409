"""What a model of the CPU's pipelines (llvm-mca) makes of the innermost loops of products: no phone is needed.

It knows registers, ports and latencies; it takes every load for a hit in the first-level cache.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shutil
import subprocess

import tvm
from tvm import tirx

from bertnas_jax.compiler.kernel_object import codegen, kernels_of
from bertnas_jax.compiler.schedule_kernels import KIND
from bertnas_jax.compiler.targets import is_arm64

# Multiplications and additions of whole vectors, in the assembly of x86 and of Arm.
_FMA = re.compile(r"^\t(vfmadd\w+p[sd]|fmla|v?pdp(?:busd|wssd)s?|[su]dot|smlal2?|smull2?)\b.*")
# Numbers of its result that an instruction makes of more than one product.
_DEPTHS = {"dot": 4, "busd": 4, "wssd": 2}
_BRANCH = r"\t(b\.|b\t|cbn?z|tbn?z|j)"
_PROGRAMS = ("llvm-mca-19", "llvm-mca")
_LEAST_VERSION = 19  # the first tried; 14 takes the model of the Cortex-A57 for a Neoverse N1
_ITERATIONS = 100
# LLVM schedules the Cortex-A76 by the model of the A57; that of Neoverse N1, the same core in a server, is its own.
_MODELS = {"cortex-a76": "neoverse-n1"}


@dataclasses.dataclass(frozen=True)
class InnerLoop:
    """One pass through the loop with most multiply-adds of a kernel."""

    kernel: str
    instructions: int
    multiply_adds: int
    products: int
    cycles: float
    stack_accesses: int

    @property
    def multiply_adds_per_cycle(self) -> float:
        return self.multiply_adds / self.cycles

    @property
    def products_per_cycle(self) -> float:
        return self.products / self.cycles


def innermost_loop(assembly: str) -> list[str]:
    """The instructions of the loop with most multiply-adds, its jump back included; [] if there are none."""
    loops = [_loop(block) for block in re.split(r"\n(?=\.?L?[\w.]+:)", assembly)]
    found = max(loops, key=_multiply_adds, default=[])
    return found if _multiply_adds(found) else []


def _loop(block: str) -> list[str]:
    """The instructions of a block that jumps back to its own label; [] if it does not."""
    label, *lines = block.splitlines()
    instructions = [line for line in lines if re.match(r"\t[a-z]", line)]
    jump = re.compile(rf"{_BRANCH}.*{re.escape(label.split(':')[0])}\b")
    ends = [index for index, line in enumerate(instructions) if jump.match(line)]
    return instructions[: ends[0] + 1] if ends else []


def _multiply_adds(instructions: list[str]) -> int:
    return sum(bool(_FMA.match(line)) for line in instructions)


def products_of(line: str) -> int:
    """Products of two numbers in an instruction of a loop, 0 if it multiplies and adds no vectors."""
    found = _FMA.match(line)
    if not found:
        return 0
    depth = next((depth for part, depth in _DEPTHS.items() if part in found[1]), 1)
    if arrangement := re.search(r"\bv\d+\.(\d+)[hsd]", line):  # Arm: that of the result
        return int(arrangement[1]) * depth
    register = max(re.findall(r"%([xyz])mm", line))
    return {"x": 128, "y": 256, "z": 512}[register] // (64 if found[1].endswith("pd") else 32) * depth


def analyse_loop(kernel: str, instructions: list[str], target: tvm.target.Target) -> InnerLoop:
    """What llvm-mca says of a loop.

    Raises:
      RuntimeError: no llvm-mca is installed that is new enough, or it does not know the CPU.
    """
    cycles = int(re.search(r"Total Cycles:\s+(\d+)", _run_mca("\n".join(instructions), target))[1]) / _ITERATIONS
    stack = sum(bool(re.search(r"\[sp\b|%rsp|\[rsp", line)) for line in instructions)
    return InnerLoop(kernel, len(instructions), _multiply_adds(instructions), sum(map(products_of, instructions)), cycles, stack)


def find_mca() -> str:
    """The path of an llvm-mca that models the CPUs of phones.

    Raises:
      RuntimeError: none is installed, or it is too old.
    """
    versions = {path: _version(path) for path in filter(None, map(shutil.which, _PROGRAMS))}
    program = next((path for path, version in versions.items() if version >= _LEAST_VERSION), None)
    if program is None:
        found = ", ".join(f"{path} of LLVM {version}" for path, version in versions.items()) or f"none of {', '.join(_PROGRAMS)}"
        raise RuntimeError(f"llvm-mca of LLVM {_LEAST_VERSION} or newer must be installed to look at inner loops, got {found}; install the package llvm-19")
    return program


@functools.cache  # asked for every loop
def _version(program: str) -> int:
    told = re.search(r"LLVM version (\d+)", subprocess.run([program, "--version"], capture_output=True, text=True).stdout)
    return int(told[1]) if told else 0


def _run_mca(code: str, target: tvm.target.Target) -> str:
    program = find_mca()
    cpu = str(target.attrs["mcpu"])
    triple = "aarch64" if is_arm64(target) else "x86_64"
    command = [program, f"-mtriple={triple}", f"-mcpu={_MODELS.get(cpu, cpu)}", f"-iterations={_ITERATIONS}"]
    done = subprocess.run(command, input=code, capture_output=True, text=True)
    if done.returncode != 0 or "Total Cycles" not in done.stdout:
        raise RuntimeError(f"{program} must know the CPU {cpu} and its instructions, got {done.stderr.strip()[:500]}; install a newer one")
    return done.stdout


def list_inner_loops(lowered: tvm.IRModule, target: tvm.target.Target) -> list[InnerLoop]:
    """The inner loop of every scheduled kernel that multiplies and adds vectors, in order of their names."""
    found = []
    for variable, function in sorted(kernels_of(lowered).items(), key=lambda item: item[0].name_hint):
        if loop := innermost_loop(_assembly(variable, function, target)):
            found.append(analyse_loop(variable.name_hint, loop, target))
    return found


def _assembly(variable: tvm.ir.GlobalVar, function: tirx.PrimFunc, target: tvm.target.Target) -> str:
    return codegen(tvm.IRModule({variable: function}), target).inspect_source("asm")


def describe_inner_loops(lowered: tvm.IRModule, target: tvm.target.Target) -> str:
    """A table of the inner loops of products."""
    kinds = {variable.name_hint: str(function.attrs[KIND]) for variable, function in kernels_of(lowered).items()}
    lines = [f"inner loops by llvm-mca, {target.attrs['mcpu']}:"]
    for loop in list_inner_loops(lowered, target):
        lines.append(
            f"  {kinds[loop.kernel]} {loop.kernel}: {loop.multiply_adds} multiply-adds of vectors among {loop.instructions} instructions in "
            f"{loop.cycles:.1f} cycles, {loop.multiply_adds_per_cycle:.2f} ({loop.products_per_cycle:.1f} products) a cycle; {loop.stack_accesses} accesses to the stack"
        )
    return "\n".join(lines)
