"""The annotations of arrays are checked in tests: of their type, their rank, and that an axis has one size wherever it is named."""

import sys

import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from bertnas_jax.data import Encoded
from bertnas_jax.model.bert import score_mask
from bertnas_jax.train.losses import label_loss
from tests.array_types import annotated_modules, checked

FULL = jnp.ones(3)


def test_what_is_as_annotated_passes():
    assert score_mask(jnp.ones((2, 5), jnp.int32)).shape == (2, 1, 1, 5)
    assert label_loss(jnp.zeros((3, 2)), jnp.zeros(3, jnp.int32), FULL, False).shape == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda: score_mask(jnp.ones((2, 5, 1), jnp.int32)),
        lambda: score_mask(jnp.ones((2, 5))),
        lambda: label_loss(jnp.zeros((4, 2)), jnp.zeros(3, jnp.int32), FULL, False),
        lambda: Encoded((), (), np.zeros((2, 2), np.int32), 0),
    ],
    ids=["rank", "type", "axes of two sizes", "a dataclass's field"],
)
def test_what_is_not_is_refused(call):
    with pytest.raises(jaxtyping.TypeCheckError, match="Type-check error whilst checking the parameters of bertnas_jax"):
        call()


def test_a_result_is_checked_too():
    def halves(x: jaxtyping.Float[np.ndarray, " n"], parts: int) -> jaxtyping.Float[np.ndarray, " n"]:
        return x[: len(x) // parts]

    typed = jaxtyping.jaxtyped(typechecker=checked)(halves)
    assert len(typed(np.ones(4), True)) == 4  # a bool is as good as an int: only arrays are checked
    with pytest.raises(jaxtyping.TypeCheckError, match="whilst checking the return value"):
        typed(np.ones(4), 2)


def test_every_module_with_annotated_arrays_checks_them():
    names, loaded = annotated_modules(), set(sys.modules)
    assert len(names) >= 20 and {"bertnas_jax.model.bert", "bertnas_jax.data.tokenize"} <= loaded & set(names)
    for name in loaded & set(names):
        assert type(sys.modules[name].__loader__).__module__.startswith("jaxtyping"), name
