"""The free parameters of the CPU's roofline: shared by all devices, cores and dtypes, each with what was believed before any fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

Value = float | Float[np.ndarray, "..."]

# Assumed: a multiply-add counts 2 operations, as at the peak, any other 1, and loads stand between them.
VECTOR_SHARE = 0.35


@dataclasses.dataclass(frozen=True)
class Prior:
    """The belief before a fit: the logarithm of the parameter is normal around that of `mean`."""

    mean: float
    log_sd: float


def free(mean: float, log_sd: float) -> Any:
    """A dataclass field that a calibration may move."""
    return dataclasses.field(default=mean, metadata={"prior": Prior(mean, log_sd)})


def priors(kind: type) -> dict[str, Prior]:
    """The priors of a dataclass's free parameters, in the order of its fields."""
    return {field.name: field.metadata["prior"] for field in dataclasses.fields(kind) if "prior" in field.metadata}


@dataclasses.dataclass(frozen=True)
class CpuConstants:
    """What the profiles do not say. A reference cycle is one of a 4-wide out-of-order core.

    efficiency_*: share of the peak in the inner loop of a product. cycles_*: reference cycles an
    element by its kind (see `work.ELEMENT_KINDS`; of a plain one, per ns of `ELEMENT_NS`).
    """

    efficiency_out_of_order: Value = free(0.85, 0.1)
    efficiency_in_order: Value = free(0.6, 0.2)
    efficiency_int8_widened: Value = free(0.85, 0.1)  # 8-bit multiplies into 16 and 32 bits, beside float32
    efficiency_int8_dot: Value = free(0.95, 0.1)
    efficiency_heads: Value = free(0.8, 0.15)  # of a batch of small products, beside one large
    tile_cycles: Value = free(20.0, 0.3)  # to start and end a register tile
    cycles_plain_float32: Value = free(19.0, 0.5)
    cycles_plain_int8: Value = free(6.7, 0.5)
    cycles_scale_float32: Value = free(3.0, 0.5)
    cycles_scale_int8: Value = free(8.0, 0.5)
    cycles_softmax_float32: Value = free(10.0, 0.5)
    cycles_softmax_int8: Value = free(3.0, 0.5)
    in_order_factor: Value = free(1.4, 0.2)  # more cycles of one instruction stream, in order
    width_exponent: Value = free(0.9, 0.1)  # how far a wider core is faster on such a stream
    pack_touches: Value = free(3.0, 0.3)  # a packed operand is read, written and read again
    l2_bytes_per_flop: Value = free(2.0, 0.3)  # from a core's L2, beside its float32 peak: 32 and 16 a cycle, Cortex-A76 TRM 100798_0300 A6.1
    l3_bytes_per_flop: Value = free(1.0, 0.3)  # believed half of that
    dram_share: Value = free(0.6, 0.15)  # what of the memory's peak a product gets
    sharing_loss: Value = free(0.1, 0.5)  # what each further core loses
    dispatch_cycles: Value = free(4000.0, 0.5)  # reference cycles an operator, then for each further core
    sync_cycles: Value = free(4000.0, 0.5)
    background_share: Value = free(0.1, 1.0)  # what the system takes when no core of the slowest cluster is left
    vector_share: Value = VECTOR_SHARE  # of the peak, of arithmetic on elements in vectors: TensorFlow Lite's rows have none


@dataclasses.dataclass(frozen=True)
class FusedConstants(CpuConstants):
    """The same for kernels of the compiler's, whose rows tell of vectors."""

    vector_share: Value = free(VECTOR_SHARE, 0.4)


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How a device's core type differs from the shared constants, as logarithms; 0 for one never calibrated.

    The standard deviations are beliefs too: a device is allowed to differ where its data insist.
    """

    products: Value = free(0.0, 0.12)
    int8_products: Value = free(0.0, 0.1)
    scalar_speed: Value = free(0.0, 0.15)
    plain_float32: Value = free(0.0, 0.12)
    stream: Value = free(0.0, 0.3)
    dram: Value = free(0.0, 0.2)
    sharing_loss: Value = free(0.0, 0.5)


EFFICIENCIES = ("efficiency_out_of_order", "efficiency_in_order")
