"""The kernels of a lowered module as an object file of plain C functions.

TVM's functions take an array of tagged values and check each. Here every kernel becomes
`int32_t NAME(pointers to what it reads, pointers to what it writes)`, 0 if all went well: its body
and the arrays it declares are taken out of the packed function, the rest is left behind.
What such an object needs from outside are three pointers to functions: to run a loop on all
threads, to get and to give back memory for a temporary that is too large for the stack.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection

import tvm
import tvm_ffi
from tvm import tirx

from bertnas_jax.compiler.stack_tiles import lowering

# Source: DLDeviceType of dlpack.h, kDLCPU.
_CPU = 1


@dataclasses.dataclass(frozen=True)
class Overwriting:
    """A kernel whose parameter `write` is given the array of its parameter `read` (numbers of both)."""

    kernel: str
    read: int
    write: int

    @property
    def name(self) -> str:
        return f"{self.kernel}_over_{self.read}"


def over_argument(function: tirx.PrimFunc, read: int, write: int) -> tirx.PrimFunc:
    """The function reading one parameter through another, which must be given the same array.

    LLVM then knows that what is read there is what is written there. Not to call arguments noalias would not do: TVM also gives
    the accesses of every buffer a type of their own (tbaa), whatever `tirx.noalias` says.
    """
    argument, result = function.params[read], function.params[write]
    return function.with_body(tvm_ffi.structural_map(function.body, (tirx.Var, lambda variable: result if variable.same_as(argument) else variable)))


def write_kernel_object(lowered: tvm.IRModule, target: tvm.target.Target, path: pathlib.Path, overwriting: Collection[Overwriting] = ()) -> None:
    """Writes the machine code of every kernel of the module, and of those that write over an argument under names of their own."""
    codegen(lowered, target, overwriting).write_to_file(str(path), "o")


def codegen(lowered: tvm.IRModule, target: tvm.target.Target, overwriting: Collection[Overwriting] = ()) -> tvm.runtime.Module:
    """The kernels in LLVM, for `write_to_file` and `inspect_source`."""
    kernels = {name: function.with_attr("global_symbol", name.name_hint) for name, function in kernels_of(lowered).items()}
    for each in overwriting:
        kernels[tvm.ir.GlobalVar(each.name)] = over_argument(lowered[each.kernel], each.read, each.write).with_attr("global_symbol", each.name)
    bound = tirx.transform.BindTarget(target.with_host(target))(tvm.IRModule(kernels))
    lower_loops, finalize_host, _ = lowering()
    with target:
        packed = lower_loops(bound)
        plain = tvm.IRModule({name: unpacked(function, name.name_hint) for name, function in packed.functions_items()})
        return tvm.get_global_func("target.build.llvm")(finalize_host()(plain), target)


def kernels_of(lowered: tvm.IRModule) -> dict[tvm.ir.GlobalVar, tirx.PrimFunc]:
    """The PrimFuncs of a module."""
    return {name: function for name, function in lowered.functions_items() if isinstance(function, tirx.PrimFunc)}


def unpacked(function: tirx.PrimFunc, symbol: str) -> tirx.PrimFunc:
    """A function of TVM's packed calling convention as a C function of bare pointers.

    Precondition: after MakePackedAPI, before LowerTVMBuiltin.
    """
    arrays, body = packed_parts(function.body)
    pointers = [tirx.Var(array.buffer.name, array.data.ty) for array in arrays]
    declared = [tirx.DeclBuffer(array.buffer, data=pointer) for array, pointer in zip(arrays, pointers, strict=True)]
    for key, value in (("device_id", 0), ("device_type", _CPU)):
        body = tirx.AttrStmt(tvm.ir.StringImm("default"), key, tirx.const(value, "int32"), body)
    whole = tirx.SeqStmt([*declared, body, tirx.Return(tirx.const(0, "int32"))])
    attributes = dict(function.attrs.items()) | {"global_symbol": symbol}
    del attributes["calling_conv"]
    return tirx.PrimFunc(pointers, whole, tvm.ir.PrimType("int32"), tvm.ir.make_node("ir.DictAttrs", **attributes))


def packed_parts(statement: tirx.Stmt) -> tuple[list[tirx.DeclBuffer], tirx.Stmt]:
    """The arrays that a packed function declares, in the order of its arguments, and what it computes."""
    arrays: list[tirx.DeclBuffer] = []
    computed: list[tirx.Stmt] = []

    def visit(node: tirx.Stmt) -> None:
        if isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child)
        elif isinstance(node, tirx.AttrStmt) and node.attr_key == "compute_scope":
            computed.append(node.body)
        elif isinstance(node, tirx.AttrStmt):
            visit(node.body)
        elif isinstance(node, tirx.DeclBuffer):
            arrays.append(node)

    visit(statement)
    (body,) = computed
    return arrays, body
