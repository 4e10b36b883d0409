"""A supernet step's gradient is what plain autodiff finds through each Subnet's extracted model."""

import dataclasses
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet import Supernet, extract
from bertnas_jax.train import SupernetTrainConfig
from bertnas_jax.train.losses import label_loss
from bertnas_jax.train.objective import Objective, inputs_of
from bertnas_jax.train.sandwich import stack_codes
from bertnas_jax.train.supernet import step_gradient
from tests.train.conftest import TINY
from tests.train.test_objective import make_batch, weights_of

LAYER = TINY.subnet.layers[0]
ELASTIC = SearchSpace(
    TINY.subnet,
    depths=tuple(range(1, TINY.subnet.depth + 1)),
    hiddens=(TINY.subnet.hidden // 4 * 3, TINY.subnet.hidden),
    heads=tuple(sorted({1, LAYER.heads})),
    ffns=(LAYER.ffn // 2, LAYER.ffn),
    keep="even",
)
LABELS = SupernetTrainConfig(label_weight=1.0)


@pytest.fixture(scope="module")
def compiled():
    return jax.jit(step_gradient(Objective(Supernet(ELASTIC, TINY), LABELS, regression=False)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_is_that_of_the_extracted_models(compiled, seed):
    rng, batch, weights = random.Random(seed), make_batch(seed), weights_of(seed)
    subnets = (ELASTIC.largest, ELASTIC.smallest, ELASTIC.sample(rng))
    trained = Objective(Supernet(ELASTIC, TINY), LABELS, regression=False).trained(weights)
    losses, gradient = compiled(trained, stack_codes(ELASTIC, subnets), batch, None, None)

    def plain(weights, subnet):
        logits = extract(weights, ELASTIC, TINY, subnet)(*inputs_of(batch))
        return label_loss(logits, batch["labels"], batch["weight"], False)

    alone = [jax.jit(jax.value_and_grad(plain), static_argnums=1)(weights, subnet) for subnet in subnets]
    np.testing.assert_allclose(losses, [value for value, _ in alone], rtol=1e-5)
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *(found for _, found in alone))
    for one, other in zip(jax.tree.leaves(gradient.shared), jax.tree.leaves(mean), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, rtol=1e-4)


@pytest.mark.slow
def test_bfloat16_blocks_give_float32_gradients_that_point_the_same_way(compiled):
    batch, weights = make_batch(0), weights_of(0)
    exact = Objective(Supernet(ELASTIC, TINY), LABELS, regression=False)
    coarse = dataclasses.replace(exact, supernet=dataclasses.replace(exact.supernet, compute_dtype="bfloat16"))
    args = exact.trained(weights), stack_codes(ELASTIC, (ELASTIC.largest,)), batch, None, None
    (_, expected), (_, found) = compiled(*args), jax.jit(step_gradient(coarse))(*args)
    one, other = (jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(gradient)]) for gradient in (expected, found))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype(jnp.float32)}
    assert float(one @ other / (jnp.linalg.norm(one) * jnp.linalg.norm(other))) > 0.98  # 8 bits of mantissa
    assert float(jnp.abs(one - other).max()) > 0
