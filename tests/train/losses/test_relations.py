import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.special import rel_entr, softmax

from bertnas_jax.model.bert import SelfAttention, score_mask
from bertnas_jax.train.losses import relation_loss
from bertnas_jax.train.losses.relations import log_relation

RNG = np.random.default_rng(0)
MASK = np.asarray([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]], np.int32)
WEIGHT = np.asarray([1.0, 1.0, 0.0], np.float32)


def projections(width, padded_to):
    pair = [RNG.normal(size=(3, 4, width)).astype(np.float32) for _ in range(2)]
    return (*(jnp.asarray(np.pad(x, ((0, 0), (0, 0), (0, padded_to - width)))) for x in pair), jnp.asarray(width))


def oracle(pair, heads, row, length):
    """The distributions [R, length, length] of one row without its padding."""
    first, second, width = np.asarray(pair[0]), np.asarray(pair[1]), int(pair[2])
    size = width // heads
    parts = [slice(r * size, (r + 1) * size) for r in range(heads)]
    return np.stack([softmax(first[row, :length, p] @ second[row, :length, p].T / np.sqrt(size), axis=-1) for p in parts])


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_it_is_the_divergence_of_relations_over_real_tokens(heads):
    student, teacher = projections(8, 24), projections(16, 16)
    divergences = [
        rel_entr(oracle(teacher, heads, row, length), oracle(student, heads, row, length)).sum(axis=-1).mean(axis=0)
        for row, length in ((0, 3), (1, 2))
    ]
    expected = np.concatenate(divergences).mean()
    assert float(relation_loss(student, teacher, heads, MASK, WEIGHT)) == pytest.approx(expected, rel=1e-4)


def test_with_the_models_own_heads_it_is_the_models_attention():
    module = SelfAttention(hidden=12, heads=2, head_dim=4, rngs=nnx.Rngs(0))
    x = jnp.asarray(RNG.normal(size=(3, 4, 12)), jnp.float32)
    relation = jnp.exp(log_relation(module.query(x), module.key(x), jnp.asarray(8), 2, MASK))
    context = jnp.einsum("brlm,bmrd->blrd", relation, module.value(x).reshape(3, 4, 2, 4)).reshape(3, 4, 8)
    np.testing.assert_allclose(context, module(x, score_mask(jnp.asarray(MASK))), atol=1e-5)


def test_the_same_projections_cost_nothing():
    pair = projections(8, 16)
    assert float(relation_loss(pair, pair, 4, MASK, WEIGHT)) == pytest.approx(0.0, abs=1e-7)


def test_padding_has_no_influence_and_gets_no_gradient():
    student, teacher = projections(8, 16), projections(8, 8)
    real = jnp.asarray((MASK * WEIGHT[:, None])[:, :, None], jnp.float32)

    def loss(first, second, teacher):
        return relation_loss((first, second, student[2]), teacher, 2, MASK, WEIGHT)

    moved = [x + 100.0 * (1.0 - real) for x in (*student[:2], *teacher[:2])]
    expected = float(loss(*student[:2], teacher))
    assert float(loss(moved[0], moved[1], (moved[2], moved[3], teacher[2]))) == pytest.approx(expected, rel=1e-6)
    for gradient in jax.grad(loss, argnums=(0, 1))(*student[:2], teacher):
        assert not np.asarray(gradient * (1.0 - real)).any()
        assert not np.asarray(gradient[..., 8:]).any() and np.asarray(gradient[..., :8]).any()
