"""Diamonds of a dataflow: the operators between a value's several users and the one where their results meet again."""

from __future__ import annotations

from tvm import relax

from bertnas_jax.compiler.dataflow import Dataflow

# More operators than any kernel has; the diamond of a mask that every layer uses is the whole network.
_LARGEST = 64


def diamonds(dataflow: Dataflow) -> list[tuple[relax.Var, ...]]:
    """For every value with several users, all operators from those users to where they meet, in program order.

    Only the last of a diamond is used outside of it.
    """
    variables = [binding.var for binding in dataflow.bindings]
    meets = _post_dominators(dataflow, variables)
    found = []
    for value in [*dataflow.function.params, *variables]:
        users = list(dict.fromkeys(dataflow.users(value)))
        if len(users) > 1 and (end := _common(meets, users, dataflow)) is not None:
            between = _between(dataflow, users, end)
            if between is not None:
                found.append(between)
    return found


def _post_dominators(dataflow: Dataflow, variables: list[relax.Var]) -> dict[relax.Var, relax.Var | None]:
    """For every variable the next one through which all its uses lead; None where only the function's result is."""
    meets: dict[relax.Var, relax.Var | None] = {}
    for variable in reversed(variables):
        users = list(dict.fromkeys(dataflow.users(variable)))
        meets[variable] = _common(meets, users, dataflow) if users else None
    return meets


def _common(meets: dict[relax.Var, relax.Var | None], users: list[relax.Var], dataflow: Dataflow) -> relax.Var | None:
    """The first variable through which every path from the users leads."""
    position = dataflow.position
    candidates = set(users)
    while len(candidates) > 1:
        first = min(candidates, key=position.__getitem__)
        candidates.remove(first)
        following = meets[first]
        if following is None:
            return None
        candidates.add(following)
    return candidates.pop()


def _between(dataflow: Dataflow, users: list[relax.Var], end: relax.Var) -> tuple[relax.Var, ...] | None:
    """All variables on a path from the users to the end; None if there are too many."""
    found, pending = set(users) | {end}, list(users)
    while pending:
        variable = pending.pop()
        if variable is end or variable.same_as(end):
            continue
        for user in dataflow.users(variable):
            if user not in found:
                found.add(user)
                pending.append(user)
        if len(found) > _LARGEST:
            return None
    return tuple(sorted(found, key=dataflow.position.__getitem__))
