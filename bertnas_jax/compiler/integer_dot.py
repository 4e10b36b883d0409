"""Instructions that sum products of small whole numbers into int32, and how wide the numbers may be in them.

No sum saturates or wraps, whatever the input: a quantised number is at most its limit by construction, and the
limits are chosen such that the largest sum fits (`_vnni`, `_madd`, `IntegerDot.activation_limit`).

Source: Intel Intrinsics Guide, VPDPBUSD and VPDPWSSD (int32 without saturation, unlike VPDPBUSDS and VPDPWSSDS),
VPMADDWD (sums of two products in int32) and VPMADDUBSW (sums of two products, saturated to int16). Arm A64 instruction
set, SDOT (int32 without saturation), SMULL, SMLAL and SADALP (each to twice the width, without saturation).
"""

from __future__ import annotations

import dataclasses

import tvm
from tvm.target import codegen

from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.targets import is_arm64

_INT32_MAX = 2**31 - 1
# What a first digit is worth, and how far a last one may be off 0: an activation of two bytes is q = 256 h + l with l of
# -128 to 127.
DIGIT_BITS = 8
DIGIT = 2**DIGIT_BITS
_DIGIT_REACH = DIGIT // 2


@dataclasses.dataclass(frozen=True)
class IntegerDot:
    """Adds to each of `lanes` int32 sums `groups * depth` products of an activation and a weight.

    An activation is within 0 and `widest` if `activation_dtype` is unsigned, else within -`widest` and `widest`; a
    weight is within -`weight_limit` and `weight_limit`. An activation of two `digits` is wider than the instruction's
    numbers: the products of its first digits are summed and taken `DIGIT` times, then those of its last added. Activations
    of `steps` are loaded at once, and an instruction takes one of them by its lane. A register block has `most_rows` at most,
    so that the sums and both operands stay in registers.
    """

    instruction: str
    lanes: int
    depth: int
    groups: int
    activation_dtype: str
    widest: int
    weight_dtype: str
    weight_limit: int
    digits: int = 1
    steps: int = 1
    most_rows: int = 6

    @property
    def step(self) -> int:
        """Rows of K that are consumed at once."""
        return self.depth * self.groups

    @property
    def is_unsigned(self) -> bool:
        return self.activation_dtype.startswith("u")

    @property
    def is_shifted(self) -> bool:
        """True if 0 is not where a row of activations has it, so that a byte is not spent on a sign that a row may lack."""
        return self.digits == 1 and self.activation_dtype in ("int8", "uint8")

    @property
    def largest_inner(self) -> int:
        """Products of which a sum takes activations of at least 7 bits."""
        return _INT32_MAX // (self.weight_limit * (min(self.widest, 127) + self._slack))

    @property
    def _slack(self) -> int:
        """How far `DIGIT` times the first digit may be past the activation."""
        return _DIGIT_REACH if self.digits > 1 else 0

    def activation_limit(self, inner: int) -> int:
        """The largest magnitude of an activation for which no sum of `inner` products leaves int32.

        Every partial sum is at most inner * limit * weight_limit, and the limit is the largest whole number for which
        that does not exceed 2^31 - 1 (or the instruction's own, if that is less). Of two digits, 256 times the first is
        within 128 of the activation: limit + 128 stands for limit there, so that neither half of the sum leaves int32.

        Raises:
          ValueError: fewer than 7 bits would be left.
        """
        if inner > self.largest_inner:
            raise ValueError(f"the inner width of a product by {self.instruction} must be at most {self.largest_inner}, got {inner}; use float32")
        return min(self.widest, _INT32_MAX // (inner * self.weight_limit) - self._slack)


def integer_dots() -> dict[str, IntegerDot]:
    """The instruction of each integer precision on the target that is compiled for, that of the `with` block around the call.

    Raises:
      ValueError: there is no target, or it has no such instructions.
    """
    target = tvm.target.Target.current()
    if target is None:
        raise ValueError("a target must be around what is compiled, got none; use `with target:`")

    def has(*features: str) -> bool:
        return all(codegen.target_has_features(feature, target) for feature in features)

    if is_arm64(target):
        return _sdot() if has("dotprod") else _widening()
    if has("avx512f"):
        return _vnni(16) if has("avx512vnni") else _madd(16 if has("avx512bw") else 8)
    if has("avx2"):
        return _vnni(8) if has("avxvnni") else _madd(8)
    raise ValueError(f"a target of int8 must have AVX2, got {target}; use float32")


def check_precision(precision: Precision, target: tvm.target.Target) -> None:
    """Raises ValueError if the target has no instructions for it; names those that it has some for."""
    with target:
        known = ["float32", *integer_dots(), *(["float16"] if is_arm64(target) and codegen.target_has_features("fullfp16", target) else [])]
    if precision not in known:
        raise ValueError(f"precision must be one of {', '.join(known)} on {target.attrs['mcpu']}, got {precision!r}; it has no instructions for others")


def dot_of(weight_dtype: str) -> IntegerDot:
    """The instruction of the target that takes weights packed as these."""
    return next(dot for dot in integer_dots().values() if dot.weight_dtype == weight_dtype)


def _vnni(lanes: int) -> dict[str, IntegerDot]:
    """Neither instruction saturates: four products of u8 and weights are at most 4 * 255 * 127 = 129,540, two of int16 2 * 32767 * 127.

    With the 32 registers of AVX-512, 8 rows of 48 columns leave room for 3 registers of weights and the activations.
    """
    most_rows = 8 if lanes == 16 else 6
    return {
        "int8_accurate": IntegerDot("vpdpwssd", lanes, 2, 1, "int16", 2**15 - 1, "int16", 127, most_rows=most_rows),
        "int8_fast": IntegerDot("vpdpbusd", lanes, 4, 1, "uint8", 255, "int8", 127, most_rows=most_rows),
    }


def _madd(lanes: int) -> dict[str, IntegerDot]:
    """Without VNNI: VPMADDWD, and two VPMADDUBSW added in int16 before they are widened.

    VPMADDWD sums two products in int32: 2 * 32767 * 127 fits. Two VPMADDUBSW hold four products of activations up to
    127 and weights up to 64 in magnitude: 4 * 127 * 64 = 32,512, and int16 holds 32,767.
    """
    return {
        "int8_accurate": IntegerDot("vpmaddwd", lanes, 2, 1, "int16", 2**15 - 1, "int16", 127),
        "int8_fast": IntegerDot("vpmaddubsw", lanes, 4, 2, "uint8", 127, "int8", 64),
    }


def _sdot() -> dict[str, IntegerDot]:
    """SDOT sums four products of bytes in int32, at most 4 * 128 * 127 = 65,024.

    It takes 16 a cycle of each pipe of a Cortex-A76, products of int16 (SMLAL) only 4 of one pipe: an activation of 16 bits
    as two digits is four times as fast. Its first digit is floor((q + 128) / 256), within -127 and 127 for q within
    127 * 256 + 127.
    """
    fast = IntegerDot("sdot", 4, 4, 1, "int8", 127, "int8", 127, steps=4)
    return {"int8_accurate": dataclasses.replace(fast, widest=127 * DIGIT + 127, digits=2), "int8_fast": fast}


def _widening() -> dict[str, IntegerDot]:
    """Without SDOT: SMLAL of int16, and SMULL with three SMLAL in int16 before SADALP adds pairs of them to int32.

    int16 holds the four products of activations up to 127 and weights up to 64 in magnitude: 4 * 127 * 64 = 32,512.
    """
    return {
        "int8_accurate": IntegerDot("smlal", 4, 1, 1, "int16", 2**15 - 1, "int16", 127),
        "int8_fast": IntegerDot("sadalp", 4, 2, 4, "int8", 127, "int8", 64, most_rows=2),
    }
