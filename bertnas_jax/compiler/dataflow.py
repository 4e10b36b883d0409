"""A read-only view of a Relax function's dataflow: producers, users, and what may be fused."""

from __future__ import annotations

from collections.abc import Callable

from tvm import relax
from tvm.ir.expr import GenericConst

from bertnas_jax.compiler.emitter import shape_of

ELEMENTWISE = {
    f"relax.{name}"
    for name in (
        "add subtract multiply divide maximum minimum power exp log tanh erf rsqrt sqrt square abs negative sigmoid astype where sign"
    ).split()
}
REDUCTIONS = {"relax.sum", "relax.max", "relax.min"}
VIEWS = {"relax.reshape", "relax.permute_dims"}


def operator_of(value: relax.Expr) -> str:
    """The name of the operator that is called, "" if the value is no call of one."""
    return getattr(value.op, "name", "") if isinstance(value, relax.Call) else ""


class Dataflow:
    """The bindings of a function that is one dataflow block, in program order."""

    def __init__(self, function: relax.Function):
        blocks = function.body.blocks
        if len(blocks) != 1 or not isinstance(blocks[0], relax.DataflowBlock):
            raise ValueError(f"a function must be one dataflow block, got {len(blocks)} blocks; build it with jaxpr_to_relax")
        self.function = function
        self.bindings = list(blocks[0].bindings)
        self.position = {binding.var: index for index, binding in enumerate(self.bindings)}
        self._users: dict[relax.Var, list[relax.Var]] = {binding.var: [] for binding in self.bindings}
        for binding in self.bindings:
            for operand in self.operands(binding.var):
                self._users.setdefault(operand, []).append(binding.var)

    def value(self, variable: relax.Var) -> relax.Expr | None:
        """What the variable is bound to, None for a parameter."""
        index = self.position.get(variable)
        return None if index is None else self.bindings[index].value

    def operands(self, variable: relax.Var) -> list[relax.Var]:
        """The variables that the binding reads."""
        value = self.value(variable)
        if isinstance(value, relax.Var):
            return [value]
        return _variables(value.args) if isinstance(value, relax.Call) else []

    def users(self, variable: relax.Var) -> list[relax.Var]:
        return self._users.get(variable, [])

    def is_matmul(self, variable: relax.Var, of_weights: bool) -> bool:
        """True for a product with a constant matrix, or one of two activations."""
        value = self.value(variable)
        return operator_of(value) == "relax.matmul" and isinstance(value.args[1], GenericConst) == of_weights

    def depends_on_matmul(self) -> set[relax.Var]:
        """Variables computed from some matmul."""
        found: set[relax.Var] = set()
        for binding in self.bindings:
            if operator_of(binding.value) == "relax.matmul" or any(operand in found for operand in self.operands(binding.var)):
                found.add(binding.var)
        return found

    def epilogues(self) -> set[relax.Var]:
        """Elementwise consumers that a weight matmul computes on its own tiles: bias, gelu, residual.

        Every other operand is known before the matmul starts.
        """
        anchor: dict[relax.Var, relax.Var] = {}
        for variable, start in self.position.items():
            if self.is_matmul(variable, of_weights=True):
                anchor[variable] = variable
            elif operator_of(self.value(variable)) in ELEMENTWISE:
                roots = {anchor[operand] for operand in self.operands(variable) if operand in anchor}
                root = max(roots, key=self.position.__getitem__, default=None)
                if root is None or shape_of(variable) != shape_of(root):
                    continue
                others = [operand for operand in self.operands(variable) if anchor.get(operand) is not root]
                if all(self.position.get(operand, -1) < self.position[root] for operand in others):
                    anchor[variable] = root
        return {variable for variable, root in anchor.items() if variable is not root}

    def closure(self, root: relax.Var, absorbs: Callable[[relax.Var], bool]) -> list[relax.Var]:
        """The root and all it can absorb, in program order: only the root is used outside.

        A group with one exit is convex, so calling it where its root stood is always in order.
        """
        group = {root}
        for binding in reversed(self.bindings[: self.position[root]]):
            users = self.users(binding.var)
            if users and all(user in group for user in users) and absorbs(binding.var):
                group.add(binding.var)
        return sorted(group, key=self.position.__getitem__)


def _variables(expressions) -> list[relax.Var]:
    found = []
    for expression in expressions:
        if isinstance(expression, relax.Var):
            found.append(expression)
        elif isinstance(expression, relax.Tuple):
            found.extend(_variables(expression.fields))
    return found
