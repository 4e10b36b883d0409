"""The kernels that the compiler makes of Subnets, each to be priced once: those of a few tell those of a whole space."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterator

import tvm

from bertnas_jax.compiler import trace_model
from bertnas_jax.latency.fill_table import stand_in
from bertnas_jax.latency.kernel_parts import KernelCounts, decompose
from bertnas_jax.latency.kernel_table import Conditions
from bertnas_jax.latency.simulate.work import Work
from bertnas_jax.space import SearchSpace, Subnet


class CompiledKernels(abc.ABC):
    """The kernels of Subnets compiled for a device; `works` are those of every kernel met, by its signature."""

    def __init__(self, seq_len: int):
        self._seq_len = seq_len
        self.works: dict[str, tuple[Work, ...]] = {}

    @abc.abstractmethod
    def described(self, module: tvm.IRModule) -> Iterator[tuple[str, tuple[Work, ...]]]:
        """Signature and works of each kernel of a traced model, in call order."""

    def counts(self, subnet: Subnet) -> KernelCounts:
        """How often each kernel of the Subnet runs, by signature."""
        return Counter(self._calls(subnet))

    def kernels(self, subnet: Subnet) -> list[Work]:
        """The works of one run of the Subnet, in the order they run."""
        return [work for signature in self._calls(subnet) for work in self.works[signature]]

    def _calls(self, subnet: Subnet) -> Iterator[str]:
        module = trace_model(stand_in(subnet, Conditions(self._seq_len, threads=1)), self._seq_len)
        for signature, works in self.described(module):
            self.works[signature] = works
            yield signature


class SpaceKernels:
    """The kernels of every Subnet of a space, from those of a few that are lowered."""

    def __init__(self, space: SearchSpace, compiled: CompiledKernels):
        self.parts, self.works = decompose(space, compiled.counts), compiled.works

    def of(self, subnet: Subnet) -> tuple[tuple[Work, int], ...]:
        """The works of a Subnet with how often each runs.

        Raises:
          ValueError: the Subnet has a size that the space has not.
        """
        return tuple((work, times) for signature, times in self.parts.kernels(subnet).items() for work in self.works[signature])
