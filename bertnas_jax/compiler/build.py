"""A trained model in, a library that runs it on the host CPU out."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import tvm
from tvm import relax

from bertnas_jax.compiler.jaxpr_to_relax import jaxpr_to_relax
from bertnas_jax.compiler.length_buckets import LENGTHS, function_of, least_length, merge_lengths
from bertnas_jax.compiler.pipeline import lower
from bertnas_jax.compiler.precision import Precision
from bertnas_jax.compiler.quiet import without_scope_messages
from bertnas_jax.compiler.runtime_passes import runtime_passes
from bertnas_jax.compiler.stack_tiles import lowering_name
from bertnas_jax.compiler.subnet_name import SUBNET, naming, subnet_of
from bertnas_jax.whole_file import whole

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def trace_model(model: Callable, seq_len: int) -> tvm.IRModule:
    """The model at batch 1 and a fixed length as primitive Relax operators, weights as constants.

    `model(input_ids, attention_mask, token_type_ids)` maps int32 [1, L] to logits [1, C]. The module knows the model's Subnet,
    if it has one, so that errors of what is done to it name that.

    Raises:
      NotImplementedError: an operator of the model has no translation.
    """
    if seq_len < 1:
        raise ValueError(f"seq_len must be at least 1, got {seq_len}; use the length the task is padded to")
    ids, subnet = jax.ShapeDtypeStruct((1, seq_len), jnp.int32), subnet_of(model)
    with naming(subnet):
        module = jaxpr_to_relax(lambda *inputs: model(*inputs), ids, ids, ids, names=INPUTS)
    return module.with_attr(SUBNET, subnet) if subnet else module


def compile_model(model: Callable, seq_len: int, target: tvm.target.Target, precision: Precision = "float32") -> CompiledModel:
    """The model compiled for the target, ready to run in this process."""
    return build(lower(trace_model(model, seq_len), target, precision=precision), target)


def compile_lengths(
    model: Callable, lengths: Sequence[int], target: tvm.target.Target, precision: Precision = "float32"
) -> CompiledModel:
    """The model compiled at several lengths: an input [1, longest] runs at the least that holds its last token."""
    return build(merge_lengths({length: lower(trace_model(model, length), target, precision=precision) for length in lengths}), target)


def build(lowered: tvm.IRModule, target: tvm.target.Target) -> CompiledModel:
    """Machine code for a lowered module."""
    return CompiledModel(build_executable(lowered, target))


def build_executable(lowered: tvm.IRModule, target: tvm.target.Target) -> tvm.runtime.Executable:
    """Machine code for a lowered module of any inputs, for TVM's virtual machine."""
    return tvm.compile(lowered, target, relax_pipeline=runtime_passes(), tir_pipeline=lowering_name())


class CompiledModel:
    """A compiled model: run it, or save it as one shared library."""

    def __init__(self, executable: tvm.runtime.Executable | tvm.runtime.Module):
        self._executable = executable
        self._machine = relax.VirtualMachine(executable, tvm.cpu())
        self._lengths = self._read_lengths()
        self._inputs: dict[str, tuple[tvm.runtime.Tensor, ...]] = {}

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that inputs may run at, ascending; none if there is only that of the inputs."""
        return self._lengths

    def _read_lengths(self) -> tuple[int, ...]:
        has_lengths = self._machine.module.implements_function(LENGTHS)
        return tuple(map(int, self._machine[LENGTHS]().numpy())) if has_lengths else ()

    def run(self, input_ids: np.ndarray, attention_mask: np.ndarray, token_type_ids: np.ndarray) -> np.ndarray:
        """Logits [1, C] of int32 [1, L] inputs."""
        arrays = [np.asarray(array, np.int32) for array in (input_ids, attention_mask, token_type_ids)]
        if not self._lengths:
            return self._run("main", arrays)
        length = least_length(self._lengths, arrays[1])
        return self._run(function_of(length), [array[:, :length] for array in arrays])

    def _run(self, function: str, arrays: list[np.ndarray]) -> np.ndarray:
        if function not in self._inputs:
            self._inputs[function] = tuple(tvm.runtime.tensor(array) for array in arrays)
        for tensor, array in zip(self._inputs[function], arrays, strict=True):
            tensor.copyfrom(array)  # a new tensor for each run costs 0.3 ms, 4 % of a 4-block model
        return self._machine[function](*self._inputs[function]).numpy()

    def run_instrumented(self, instrument: Callable, *inputs: np.ndarray) -> np.ndarray:
        """Logits of `run`, with `instrument` called before and after every kernel (see VirtualMachine.set_instrument)."""
        machine = relax.VirtualMachine(self._executable, tvm.cpu())
        machine.set_instrument(instrument)
        return machine["main"](*(tvm.runtime.tensor(np.asarray(array, np.int32)) for array in inputs)).numpy()

    def save(self, path: str | os.PathLike) -> None:
        """Writes the library, whole or not at all."""
        if not isinstance(self._executable, tvm.runtime.Executable):
            raise ValueError("a model must be compiled here to be saved, got one loaded from a file; copy that file")
        with whole(pathlib.Path(path)) as partial, without_scope_messages():
            self._executable.export_library(str(partial))


def load_compiled(path: str | os.PathLike) -> CompiledModel:
    """The model that `CompiledModel.save` wrote.

    Raises:
      FileNotFoundError: there is no such file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"a compiled model must be a file, got {path}; write it with CompiledModel.save")
    with without_scope_messages():
        return CompiledModel(tvm.runtime.load_module(str(path)))
