"""A read-only view of a Relax function's dataflow: producers and users."""

from __future__ import annotations

from tvm import relax


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
        # Each variable is one Python object throughout: TVM makes a new one at each access, and to compare two takes its time.
        self.variables = [binding.var for binding in self.bindings]
        self.position = {variable: index for index, variable in enumerate(self.variables)}
        known = {variable: variable for variable in self.variables}
        read_by = ((variable, _read_by(binding.value)) for variable, binding in zip(self.variables, self.bindings, strict=True))
        self._operands = {variable: [known.setdefault(operand, operand) for operand in read] for variable, read in read_by}
        self._users: dict[relax.Var, list[relax.Var]] = {variable: [] for variable in known}
        for variable, operands in self._operands.items():
            for operand in operands:
                self._users[operand].append(variable)

    def value(self, variable: relax.Var) -> relax.Expr | None:
        """What the variable is bound to, None for a parameter."""
        index = self.position.get(variable)
        return None if index is None else self.bindings[index].value

    def operands(self, variable: relax.Var) -> list[relax.Var]:
        """The variables that the binding reads."""
        return self._operands.get(variable, [])

    def users(self, variable: relax.Var) -> list[relax.Var]:
        return self._users.get(variable, [])


def _read_by(value: relax.Expr) -> list[relax.Var]:
    if isinstance(value, relax.Var):
        return [value]
    return _variables(value.args) if isinstance(value, relax.Call) else []


def _variables(expressions) -> list[relax.Var]:
    found = []
    for expression in expressions:
        if isinstance(expression, relax.Var):
            found.append(expression)
        elif isinstance(expression, relax.Tuple):
            found.extend(_variables(expression.fields))
    return found
