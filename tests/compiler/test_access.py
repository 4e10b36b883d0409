"""Access relations against what operators are seen to depend on, and against maps written by hand."""

import islpy as isl
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from tvm import relax

from bertnas_jax.compiler.access import read_operator
from bertnas_jax.compiler.legalize_views import VIEWS
from bertnas_jax.compiler.pack_weights import pack_weights
from tests.compiler.conftest import trace

X = np.ones((2, 6, 8), np.float32)
Y = np.full((2, 6, 8), 2, np.float32)

# One primitive operator each.
OPERATORS = {
    "elementwise": (lambda x: jnp.sin(x), X),
    "two operands": (lambda x, y: x + y, X, Y),
    "broadcast operand": (lambda x, y: x + y, X, np.ones((2, 1, 8), np.float32)),
    "transpose": (lambda x: x.transpose(2, 0, 1), X),
    "split heads": (lambda x: x.reshape(2, 6, 4, 2), X),
    "merge axes": (lambda x: x.reshape(2, 48), X),
    "slice": (lambda x: x[:, 1:5:2, :3], X),
    "broadcast": (lambda x: jnp.broadcast_to(x, (2, 6, 8)), np.ones((2, 1, 8), np.float32)),
    "row sum": (lambda x: x.sum(-1, keepdims=True), X),
    "column sum": (lambda x: x.sum(1, keepdims=True), X),
    "product": (lambda x, y: jnp.einsum("bij,bjk->bik", x, y), X, np.ones((2, 8, 3), np.float32)),
    "concatenate": (lambda x, y: jnp.concatenate([x, y], axis=1), X, Y),
}


def operators_of(function, *arrays):
    """The operators of a function, without those that only rename."""
    module = relax.transform.DeadCodeElimination()(relax.transform.CanonicalizeBindings()(trace(function, *arrays)))
    module = relax.transform.LegalizeOps(VIEWS)(pack_weights(module))
    calls = [binding.value for block in module["main"].body.blocks for binding in block.bindings if isinstance(binding.value, relax.Call)]
    return [read_operator(call.args[0].name_hint, module[call.args[0]]) for call in calls]


def pairs(relation):
    """The (result element, argument element) pairs of a relation."""
    found = set()
    relation.wrap().foreach_point(lambda point: found.add(tuple(_coordinates(point))))
    return found


def _coordinates(point):
    return [point.get_coordinate_val(isl.dim_type.set, axis).to_python() for axis in range(point.get_space().dim(isl.dim_type.set))]


def observed(function, arrays, argument):
    """The same pairs, seen: a NaN in an argument's element shows in every result that needs it."""
    found = set()
    for element in np.ndindex(arrays[argument].shape):
        poisoned = [array.copy() for array in arrays]
        poisoned[argument][element] = np.nan
        for result in np.argwhere(np.isnan(np.asarray(function(*map(jnp.asarray, poisoned))))):
            found.add((*map(int, result), *element))
    return found


@pytest.mark.parametrize("name", OPERATORS)
def test_relations_are_what_is_observed(name):
    function, *arrays = OPERATORS[name]
    (operator,) = operators_of(function, *arrays)
    for argument, relation in enumerate(operator.reads):
        assert pairs(relation) == observed(function, arrays, argument)


def test_a_packed_product_reads_panels():
    weights = np.ones((5, 33), np.float32)
    with tvm.target.Target({"kind": "llvm", "mcpu": "haswell"}):
        (operator,) = operators_of(lambda x: x @ weights, np.ones((4, 5), np.float32))
    expected = isl.Map("{ [i, j] -> [floor(j / 16), k, j mod 16] : 0 <= i < 4 and 0 <= j < 33 and 0 <= k < 5 }")
    assert operator.reads[1].is_equal(expected)
    assert operator.is_product and operator.operations == 2 * 4 * 48 * 5  # padded columns are computed


def test_a_looked_up_row_may_be_any():
    table = np.ones((7, 3), np.float32)
    (operator,) = operators_of(lambda ids: jnp.take(jnp.asarray(table), ids, axis=0, mode="clip"), np.zeros((4,), np.int32))
    assert operator.gathers
    assert operator.reads[0].is_equal(isl.Map("{ [i, j] -> [r, j] : 0 <= i < 4 and 0 <= j < 3 and 0 <= r < 7 }"))
    assert operator.reads[1].is_equal(isl.Map("{ [i, j] -> [i] : 0 <= i < 4 and 0 <= j < 3 }"))


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("elementwise", ["one-to-one"]),
        ("transpose", ["one-to-one"]),
        ("split heads", ["one-to-one"]),
        ("slice", ["one-to-one"]),
        ("row sum", ["reduction"]),
        ("broadcast operand", ["one-to-one", "broadcast"]),
        ("column sum", ["reduction"]),
        ("product", ["contraction", "contraction"]),
    ],
)
def test_classes_of_relations(name, classes):
    function, *arrays = OPERATORS[name]
    (operator,) = operators_of(function, *arrays)
    assert list(operator.relations) == classes


def test_the_same_body_is_the_same_operator_whatever_module_and_number_it_has():
    first, second = (lambda x, y: x + y), (lambda x, y: jnp.sin(x + jnp.sin(y)) + y)
    assert {operator.name for operator in operators_of(second, X, Y)} == {"add", "tir_sin"}
    (alone,), together = operators_of(first, X, Y), operators_of(second, X, Y)
    assert [operator is alone for operator in together] == [False, True, False, True]


def test_another_shape_is_another_operator():
    (small,), (large,) = operators_of(jnp.sin, X), operators_of(jnp.sin, np.ones((2, 6, 9), np.float32))
    assert small is not large and small.shape != large.shape


def test_a_transposed_view_is_not_contiguous():
    (operator,) = operators_of(*OPERATORS["transpose"])
    assert operator.is_view and not operator.is_contiguous
    (operator,) = operators_of(*OPERATORS["split heads"])
    assert operator.is_view and operator.is_contiguous
