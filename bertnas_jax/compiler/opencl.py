"""A model as OpenCL C and the launches of its kernels: all that a program needs to run it on a phone's GPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import tvm
from tvm import tirx

from bertnas_jax.compiler.kernel_object import kernels_of, packed_parts
from bertnas_jax.compiler.opencl_source import distinct_kernels
from bertnas_jax.compiler.pipeline import apply, fuse, gpu_schedule_passes
from bertnas_jax.compiler.program import Argument, Launch, Place, Program, TensorType
from bertnas_jax.compiler.subnet_name import naming, subnet_of_module

_DEVICE_FUNCTION = 2  # tvm.ir.CallingConv.DEVICE_KERNEL_LAUNCH
_DIMENSIONS = ("x", "y", "z")


@dataclasses.dataclass(frozen=True)
class KernelLaunch:
    """One launch inside a PrimFunc: `arguments` are its parameters (0, 1, ...) or its temporaries (-1, -2, ...)."""

    kernel: str
    arguments: tuple[int, ...]
    global_size: tuple[int, ...]
    local_size: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class GpuFunction:
    """What the host does for one PrimFunc: temporaries to allocate, and launches in order."""

    temporaries: tuple[TensorType, ...]
    launches: tuple[KernelLaunch, ...]


def lower_opencl(module: tvm.IRModule, target: tvm.target.Target, without: Collection[str] = ()) -> tvm.IRModule:
    """The module fused as for a CPU, and scheduled for the GPU; `without` as for `fuse`."""
    fused = fuse(module, target, without)
    with naming(subnet_of_module(module)), target:
        return apply(gpu_schedule_passes(), fused)


def compile_opencl(lowered: tvm.IRModule, target: tvm.target.Target) -> tuple[str, dict[str, GpuFunction]]:
    """OpenCL C of all kernels, equal ones once, and by PrimFunc how to launch them."""
    named = {name: function.with_attr("global_symbol", name.name_hint) for name, function in kernels_of(lowered).items()}
    pipeline, _, finalize_device = tirx.get_default_tir_pipeline(target)
    with target:
        split = pipeline(tirx.transform.BindTarget(target)(tvm.IRModule(named)))
        device = {name: function for name, function in split.functions_items() if function.attrs["calling_conv"] == _DEVICE_FUNCTION}
        built = tvm.get_global_func("target.build.opencl")(finalize_device()(tvm.IRModule(device)), target)
    source, names = distinct_kernels(built.inspect_source())
    return source, {name.name_hint: _gpu_function(function, names) for name, function in split.functions_items() if name not in device}


def device_program(program: Program, functions: Mapping[str, GpuFunction]) -> tuple[Program, tuple[KernelLaunch, ...]]:
    """The program with every launch of a kernel one of its own and temporaries among its intermediates, and these launches."""
    intermediates, launches, kernels = list(program.intermediates), [], []
    for launch in program.launches:
        function, parameters = functions[launch.kernel], (*launch.reads, *launch.writes)
        first = len(intermediates)
        intermediates += function.temporaries
        for kernel in function.launches:
            places = (parameters[number] if number >= 0 else Argument(Place.INTERMEDIATE, first - 1 - number) for number in kernel.arguments)
            launches.append(Launch(kernel.kernel, tuple(places), ()))
            kernels.append(kernel)
    return dataclasses.replace(program, intermediates=tuple(intermediates), launches=tuple(launches)), tuple(kernels)


def _gpu_function(function: tirx.PrimFunc, names: Mapping[str, str]) -> GpuFunction:
    """The host's side of a PrimFunc, after SplitHostDevice and MakePackedAPI; `names` are those that its kernels have in the source."""
    parameters, body = packed_parts(function.body)
    numbers = {declared.buffer: index for index, declared in enumerate(parameters)}
    temporaries: list[TensorType] = []
    launches: list[KernelLaunch] = []

    def visit(node: tirx.Stmt) -> None:
        if isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child)
        elif isinstance(node, tirx.AllocBuffer):
            temporaries.append(TensorType(tuple(map(int, node.buffer.shape)), str(node.buffer.dtype)))
            numbers[node.buffer] = -len(temporaries)
        elif isinstance(node, tirx.DeclBuffer):
            numbers[node.buffer] = numbers[_buffer_of(node.data)]
        elif isinstance(node, tirx.Evaluate):
            launches.append(_launch(node.value, numbers, names))
        else:
            raise ValueError(f"a kernel's host side must consist of launches, got {type(node).__name__}; schedule all of its loops")

    visit(body)
    return GpuFunction(tuple(temporaries), tuple(launches))


def _launch(call: tirx.Call, numbers: Mapping[tirx.Var, int], names: Mapping[str, str]) -> KernelLaunch:
    name, *values = call.args
    sizes = [str(text) for text in call.attrs["launch_params"]]
    arguments = tuple(numbers[_buffer_of(value)] for value in values[: -len(sizes)])
    extents = dict(zip(sizes, map(int, values[-len(sizes) :]), strict=True))
    local = tuple(extents.get(f"threadIdx.{axis}", 1) for axis in _DIMENSIONS)
    groups = tuple(extents.get(f"blockIdx.{axis}", 1) for axis in _DIMENSIONS)
    return KernelLaunch(names[str(name.value)], arguments, tuple(g * n for g, n in zip(groups, local, strict=True)), local)


def _buffer_of(pointer: tvm.ir.Expr) -> tirx.Var:
    """The buffer whose data the expression points to."""
    return pointer.args[0]
