"""exp, erf and tanh as polynomials: code that vectorises, where libm is called a lane at a time.

Used by LegalizeOps through `VECTOR_MATH`. Precondition: operands of float32; others are an error. How far they are off is
measured over the whole float32 range in tests/compiler/test_vector_math.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import relax, te, tirx

# Source: Cephes expf (S. L. Moshier, netlib.org/cephes, single/expf.c): log2(e), ln 2 split in two,
# and the polynomial of (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2, highest power first.
_LOG2_E = 1.44269504088896341
_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
# e^x is normal in float32 between these bounds: ln(2^-126) and just below ln(2^128).
_EXP_LOW, _EXP_HIGH = -87.33654, 88.37626

# Source: Eigen's generic_fast_erf_float (also XLA's ErfImpl32): erf(x) = x P(x^2) / Q(x^2) on [-4, 4].
_ERF_P = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_ERF_Q = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02)
_ERF_BOUND = 4.0
# Source: Remez exchange of our own (equal ripples of x P(x^2) - erf(x) on [0, 2.65], coefficients rounded to float32), highest power first.
_SHORT_ERF = (7.10378022e-06, -2.15520448e-04, 2.82506853e-03, -2.13775718e-02, 1.05948902e-01, -3.72181556e-01, 1.12771593e00)
_SHORT_ERF_BOUND = 2.65

# Source: Eigen's generic_fast_tanh_float: tanh(x) = x P(x^2) / Q(x^2) on [-9, 9].
_TANH_P = (
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
    1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_TANH_Q = (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
_TANH_BOUND = 9.0


def _horner(x: tirx.Expr, coefficients: Sequence[float]) -> tirx.Expr:
    value = tirx.const(coefficients[0], "float32")
    for coefficient in coefficients[1:]:
        value = value * x + tirx.const(coefficient, "float32")
    return value


def _let(name: str, value: tirx.Expr, body: Callable[[tirx.Var], tirx.Expr]) -> tirx.Expr:
    """body(value) with the value computed once."""
    variable = tirx.Var(name, value.ty)
    return tirx.Let(variable, value, body(variable))


def _clip(x: tirx.Expr, low: float, high: float) -> tirx.Expr:
    return tirx.max(tirx.min(x, tirx.const(high, "float32")), tirx.const(low, "float32"))


def exp(x: tirx.Expr) -> tirx.Expr:
    """e^x to 2 units in the last place between -87.336 and 88.376; 0 below (and of -inf), 2.406e38 above (and of inf, NaN).

    Normal numbers only: what float32 would give below 2^-126 is 0, so that a masked score weighs exactly nothing.
    """

    def reduced(clipped, power):
        rest = clipped - power * tirx.const(_LN2_HIGH, "float32") - power * tirx.const(_LN2_LOW, "float32")
        bits = (tirx.Cast("int32", power) + tirx.const(127, "int32")) << tirx.const(23, "int32")
        scale = tirx.reinterpret("float32", bits)
        return _let("r", rest, lambda r: (_horner(r, _EXP) * r * r + r + tirx.const(1.0, "float32")) * scale)

    def whole(clipped):
        rounded = tirx.floor(clipped * tirx.const(_LOG2_E, "float32") + tirx.const(0.5, "float32"))
        return _let("n", rounded, lambda power: reduced(clipped, power))

    value = _let("c", _clip(x, _EXP_LOW, _EXP_HIGH), whole)
    return tirx.Select(x < tirx.const(_EXP_LOW, "float32"), tirx.const(0.0, "float32"), value)


def _rational(x: tirx.Expr, bound: float, numerator: Sequence[float], denominator: Sequence[float]) -> tirx.Expr:
    def ratio(c, square):
        return c * _horner(square, numerator) / _horner(square, denominator)

    return _let("c", _clip(x, -bound, bound), lambda c: _let("s", c * c, lambda square: ratio(c, square)))


def erf(x: tirx.Expr) -> tirx.Expr:
    """erf(x), absolute error below 5e-7 for every x, infinities included; relative error below 3e-7 near 0."""
    return _rational(x, _ERF_BOUND, _ERF_P, _ERF_Q)


def short_erf(x: tirx.Expr) -> tirx.Expr:
    """erf(x), absolute error below 1.2e-4 for every x, infinities included: a third of the operations of `erf`, no division.

    For what is rounded to bytes next: half a step of the gelu of a row that reaches to 1 is 2.3e-3.
    """
    clipped = _clip(x, -_SHORT_ERF_BOUND, _SHORT_ERF_BOUND)
    return _let("c", clipped, lambda c: _let("s", c * c, lambda square: c * _horner(square, _SHORT_ERF)))


def tanh(x: tirx.Expr) -> tirx.Expr:
    """tanh(x), absolute error below 5e-7 for every x, infinities included; relative error below 3e-7 near 0."""
    return _rational(x, _TANH_BOUND, _TANH_P, _TANH_Q)


def _legalize(name: str, function: Callable[[tirx.Expr], tirx.Expr]):
    def compute(x: te.Tensor) -> te.Tensor:
        return te.compute(x.shape, lambda *index: function(x(*index)), name=name)

    def legalize(builder: relax.BlockBuilder, call: relax.Call) -> relax.Expr:
        if call.args[0].ty.dtype != "float32":
            raise NotImplementedError(f"{name} must be of float32, got {call.args[0].ty.dtype}; cast its operand")
        return builder.call_te(compute, call.args[0], primfunc_name_hint=name)

    return legalize


VECTOR_MATH = {f"relax.{name}": _legalize(name, function) for name, function in (("exp", exp), ("erf", erf), ("tanh", tanh))}
# The same for models whose activations are rounded to bytes.
BYTE_MATH = VECTOR_MATH | {"relax.erf": _legalize("erf", short_erf)}
