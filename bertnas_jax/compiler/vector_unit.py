"""What the vectors of a target are, and the register blocks of a product that fill them."""

from __future__ import annotations

import dataclasses

import tvm
from tvm.target import codegen

from bertnas_jax.compiler.targets import is_arm64


@dataclasses.dataclass(frozen=True)
class VectorUnit:
    """float32 lanes of each of the registers, and the register blocks of a product: `panel` columns by the first of `rows` that divides.

    Tuning tries `panels` with any of `rows`. Of two registers' columns, as in attention, a block has the first of `narrow_rows`. A block must have
    as many accumulators as hide the latency of FMA (4 cycles, 2 a cycle, so at least 8) and leave registers for its operands.
    """

    lanes: int
    registers: int
    panel: int
    rows: tuple[int, ...]
    narrow_rows: tuple[int, ...]
    panels: tuple[int, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Lanes that a loop may run in, best first: two registers, one, and parts of one."""
        return tuple(2 * self.lanes >> halvings for halvings in range(self.lanes.bit_length() + 1))


AVX2 = VectorUnit(8, 16, 16, (4, 6, 5, 3, 2, 1), (4, 6, 5, 3, 2, 1), (16, 24))  # 8 accumulators
AVX512 = VectorUnit(16, 32, 48, (4, 5, 3, 2, 1), (8, 6, 5, 4, 3, 2, 1), (32, 48))  # 12 accumulators, narrow ones 16; 64 columns are slower (Zen 5)
# 16 accumulators. llvm-mca 19 for Neoverse N1, the server's Cortex-A76: 1.98 FMA a cycle of at most 2
# with 1.42 instructions each; 8x8 1.98 with 1.62, 4x8 1.90, 4x24 1.63 as it spills; 6x16 and 8x12 1.99, but 6 divides few
# lengths and panels of 12 leave columns over.
NEON = VectorUnit(4, 32, 16, (4, 6, 5, 3, 2, 1), (8, 6, 5, 4, 3, 2, 1), (16, 24))
# OpenCL's float4, which Adreno and Mali load at once; 16 accumulators a work-item leave room for many of them on a core.
FLOAT4 = VectorUnit(4, 64, 16, (4, 2, 1), (4, 2, 1), (16,))


def vector_unit() -> VectorUnit:
    """The vector unit of the target that is compiled for, that of the `with` block around the call.

    Raises:
      ValueError: there is none.
    """
    target = tvm.target.Target.current()
    if target is None:
        raise ValueError("a target must be around what is compiled, got none; use `with target:`")
    if target.kind.name == "opencl":
        return FLOAT4
    if is_arm64(target):
        return NEON
    return AVX512 if codegen.target_has_features("avx512f", target) else AVX2
