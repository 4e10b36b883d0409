"""Rewiring changes no function, and puts what matters first."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert
from bertnas_jax.space import SearchSpace
from bertnas_jax.supernet import Order, Supernet, encode_subnet, measure_importance, rewire, share_weights
from tests.supernet.test_elastic import CONFIG, perturbed

SPACE = SearchSpace(CONFIG.subnet, depths=(4,), hiddens=(32,), heads=(2, 4), ffns=(16, 64))
IDS = jnp.asarray(np.random.default_rng(0).integers(0, 50, (4, 8)), jnp.int32)
LARGEST = encode_subnet(SPACE, SPACE.largest)


def logits(config, weights, code=LARGEST):
    return jax.jit(Supernet(SPACE, config))(weights, code, IDS, jnp.ones_like(IDS), jnp.zeros_like(IDS))


def shuffled(seed):
    rng = np.random.default_rng(seed)
    blocks = CONFIG.subnet.depth
    heads = np.stack([rng.permutation(4) for _ in range(blocks)])
    ffn = np.stack([rng.permutation(64) for _ in range(blocks)])
    return Order(*map(jnp.asarray, (rng.permutation(32), heads, ffn)))


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_rewired_full_network_is_the_same_function(pooling):
    config = dataclasses.replace(CONFIG, pooling=pooling)
    weights = share_weights(perturbed(Bert(config, nnx.Rngs(0))))
    rewired = rewire(weights, shuffled(1))
    assert not np.allclose(rewired.head["classifier"]["kernel"], weights.head["classifier"]["kernel"])
    np.testing.assert_allclose(logits(config, rewired), logits(config, weights), atol=1e-5)


def test_neurons_and_heads_that_do_nothing_come_last():
    weights = share_weights(perturbed(Bert(CONFIG, nnx.Rngs(0))))
    ffn_out = weights.layers["feed_forward"]["output"]["dense"]["kernel"].at[:, ::2].set(0.0)
    attention_out = weights.layers["attention"]["output"]["dense"]["kernel"].at[:, 8:16].set(0.0)
    weights.layers["feed_forward"]["output"]["dense"]["kernel"] = ffn_out
    weights.layers["attention"]["output"]["dense"]["kernel"] = attention_out

    def loss(weights, ids):
        return jnp.square(Supernet(SPACE, CONFIG)(weights, LARGEST, ids, jnp.ones_like(ids), jnp.zeros_like(ids))).mean()

    order = measure_importance(loss, weights, [(IDS[:2],), (IDS[2:],)], num_heads=4).order()
    assert (np.sort(np.asarray(order.ffn[:, :32]), axis=1) == np.arange(1, 64, 2)).all()
    assert (order.heads[:, -1] == 1).all()
    slim = SearchSpace(CONFIG.subnet, depths=(4,), hiddens=(32,), heads=(3, 4), ffns=(32, 64))
    smallest = jax.jit(Supernet(slim, CONFIG))(
        rewire(weights, order), encode_subnet(slim, slim.smallest), IDS, jnp.ones_like(IDS), jnp.zeros_like(IDS)
    )
    np.testing.assert_allclose(smallest, logits(CONFIG, weights), atol=1e-5)


def test_importance_needs_a_batch():
    weights = share_weights(Bert(CONFIG, nnx.Rngs(0)))
    with pytest.raises(ValueError, match="at least one batch, got none"):
        measure_importance(lambda weights: 0.0, weights, [], num_heads=4)


def test_importance_is_the_gates_gradient():
    weights = share_weights(perturbed(Bert(CONFIG, nnx.Rngs(0))))

    def loss(weights, ids):
        return logits_of(weights, ids).sum()

    def logits_of(weights, ids):
        return Supernet(SPACE, CONFIG)(weights, LARGEST, ids, jnp.ones_like(ids), jnp.zeros_like(ids))

    def gated(gate):
        kernel = weights.layers["feed_forward"]["output"]["dense"]["kernel"] * gate[:, :, None]
        layers = weights.layers | {
            "feed_forward": weights.layers["feed_forward"]
            | {"output": weights.layers["feed_forward"]["output"] | {"dense": weights.layers["feed_forward"]["output"]["dense"] | {"kernel": kernel}}}
        }
        return loss(weights.replace(layers=layers), IDS)

    expected = jnp.abs(jax.jit(jax.grad(gated))(jnp.ones((4, 64))))
    found = measure_importance(loss, weights, [(IDS,)], num_heads=4).ffn
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
