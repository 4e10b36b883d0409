"""The devices of a run as a mesh over the axes data, fsdp and tensor."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import jax
from jax.experimental import mesh_utils
from jax.sharding import Mesh

from bertnas_jax.knobs import check_knobs, knob

AXES = ("data", "fsdp", "tensor")
REST = -1


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Devices along each axis of the mesh; their product must be all the devices.

    Raises:
      ValueError: a size is neither positive nor -1, or more than one is -1.
    """

    data: int = knob(REST, "Devices that each hold all weights and take their rows of a batch; -1 for what the other axes leave.", lower=-1)
    fsdp: int = knob(1, "Devices that share out the weights and take their rows of a batch; -1 for what the other axes leave.", lower=-1)
    tensor: int = knob(1, "Devices that share out heads and feed-forward neurons; -1 for what the other axes leave.", lower=-1)

    def __post_init__(self):
        check_knobs(self)
        for axis, size in zip(AXES, self.sizes, strict=True):
            if size == 0:
                raise ValueError(f"mesh axis {axis} must be positive or -1, got 0; use 1 for an axis that is not wanted")
        if self.sizes.count(REST) > 1:
            raise ValueError(f"at most one mesh axis must be -1, got {self}; give the others a size")

    @property
    def sizes(self) -> tuple[int, int, int]:
        return self.data, self.fsdp, self.tensor

    def shape(self, num_devices: int) -> tuple[int, int, int]:
        """The sizes over this many devices, -1 filled in.

        Raises:
          ValueError: they do not divide the devices, or leave some over.
        """
        left = num_devices
        for axis, size in zip(AXES, self.sizes, strict=True):
            if size == REST:
                continue
            if left % size:
                others = "" if left == num_devices else f" ({left} for each position on the axes before it)"
                raise ValueError(
                    f"mesh axis {axis} must divide the {num_devices} devices{others}, got {axis}={size}; use one of {_divisors(left)}"
                )
            left //= size
        if REST not in self.sizes and left != 1:
            raise ValueError(
                f"the mesh must have all {num_devices} devices, got {math.prod(self.sizes)} from "
                f"{', '.join(f'{axis}={size}' for axis, size in zip(AXES, self.sizes, strict=True))}; give data=-1"
            )
        return tuple(left if size == REST else size for size in self.sizes)


def make_mesh(config: MeshConfig, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The mesh of these devices, by default all of every process, placed so that neighbours on an axis are near.

    Raises:
      ValueError: the configuration does not divide them.
    """
    devices = list(jax.devices() if devices is None else devices)
    shape = config.shape(len(devices))
    return Mesh(mesh_utils.create_device_mesh(shape, devices, allow_split_physical_axes=True), AXES)


def _divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]
