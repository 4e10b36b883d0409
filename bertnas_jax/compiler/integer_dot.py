"""Instructions that sum products of small whole numbers into int32: what fits them, and how TVM emits them.

Every sum is exact. What bounds the operands is stated with each instruction; no quantised number can exceed
its bound, so that nothing saturates or wraps (`IntegerDot.activation_limit`).

Source: Intel Intrinsics Guide, VPDPBUSD, VPDPWSSD (both without saturation, unlike VPDPBUSDS and VPDPWSSDS),
VPMADDWD (int32 sums of two products) and VPMADDUBSW (sums of two products, saturated to int16).
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import tvm
from tvm.target import codegen

Precision = Literal["float32", "int8_accurate", "int8_fast"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
_INT32_MAX = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class IntegerDot:
    """Adds to each of `lanes` int32 sums `depth * groups` products of an activation and a weight.

    Activations are stored with `offset` added (an unsigned instruction takes no negative ones), between
    0 or -`widest` and `widest`; weights are between -`weight_limit` and `weight_limit`.
    """

    instruction: str
    lanes: int
    depth: int
    groups: int
    activation_dtype: str
    widest: int
    offset: int
    weight_dtype: str
    weight_limit: int

    @property
    def step(self) -> int:
        """Rows of K that are consumed at once."""
        return self.depth * self.groups

    def activation_limit(self, inner: int) -> int:
        """The largest magnitude of a quantised activation for which no sum of `inner` products leaves int32.

        Each stored activation is at most `offset` + limit, each weight at most `weight_limit`, so every partial
        sum is at most inner * (offset + limit) * weight_limit, which must not exceed 2^31 - 1.

        Raises:
          ValueError: there are too many products for any activation at all.
        """
        stored = min(self.widest, _INT32_MAX // (inner * self.weight_limit))
        if stored <= self.offset:
            raise ValueError(
                f"the inner width of an {self.instruction} product must be at most {_INT32_MAX // (self.widest * self.weight_limit)}, "
                f"got {inner}; use float32"
            )
        return stored - self.offset


def integer_dots() -> dict[str, IntegerDot]:
    """The instruction of each integer precision on the target that is compiled for (that of the `with` block around)."""
    target = tvm.target.Target.current()
    if target is None:
        raise ValueError("a target must be around what is compiled, got none; use `with target:`")
    has = {name: bool(codegen.target_has_features(name, target)) for name in ("avx512f", "avx512bw", "avx512vnni", "avxvnni", "avx2")}
    if has["avx512f"] and has["avx512vnni"]:
        return _vnni(16)
    if has["avx512f"] and has["avx512bw"]:
        return _madd(16)
    if has["avxvnni"]:
        return _vnni(8)
    if has["avx2"]:
        return _madd(8)
    raise ValueError(f"a target of int8 must have AVX2, got {target.attrs.get('mcpu', target.kind)}; use float32")


def _vnni(lanes: int) -> dict[str, IntegerDot]:
    """Any u8 times any weight: four products are at most 4 * 255 * 127 = 129,540, and no instruction saturates."""
    wide = IntegerDot("vpdpwssd", lanes, 2, 1, "int16", 2**15 - 1, 0, "int16", 127)
    return {"int8_accurate": wide, "int8_fast": IntegerDot("vpdpbusd", lanes, 4, 1, "uint8", 255, 128, "int8", 127)}


def _madd(lanes: int) -> dict[str, IntegerDot]:
    """Without VNNI: VPMADDWD, and two VPMADDUBSW added in int16 before they are widened.

    VPMADDWD sums two products in int32: 2 * 32767 * 127 fits. Two VPMADDUBSW hold four products of activations
    up to 127 and weights up to 64 in magnitude: 4 * 127 * 64 = 32,512, which int16 (32,767) holds.
    """
    wide = IntegerDot("vpmaddwd", lanes, 2, 1, "int16", 2**15 - 1, 0, "int16", 127)
    return {"int8_accurate": wide, "int8_fast": IntegerDot("vpmaddubsw", lanes, 4, 2, "uint8", 127, 64, "int8", 64)}
