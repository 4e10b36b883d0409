"""A Subnet run by the supernet, extracted, and alone must be one and the same function."""

import dataclasses
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, SearchSpace, Subnet
from bertnas_jax.supernet import Supernet, Wanted, encode_subnet, extract, share_weights

CONFIG = BertConfig(Subnet.uniform(4, 32, 4, 64), vocab_size=50, max_positions=16, num_outputs=3)
SPACES = {
    keep: SearchSpace(CONFIG.subnet, depths=(1, 2, 4), hiddens=(16, 24, 32), heads=(1, 2, 4), ffns=(16, 64), keep=keep, keep_order=order)
    for keep, order in (("first", ()), ("even", ()), ("importance", (2, 0, 3, 1)))
}


def perturbed(model):
    """The model with every parameter moved, so that no bias is 0 and no LayerNorm scale is 1."""
    state = nnx.state(model, nnx.Param)
    keys = iter(jax.random.split(jax.random.key(7), len(jax.tree.leaves(state))))
    nnx.update(model, jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(next(keys), leaf.shape), state))
    return model


@pytest.fixture(scope="module", params=["mean", "cls"])
def shared_model(request):
    config = dataclasses.replace(CONFIG, pooling=request.param)
    return config, share_weights(perturbed(Bert(config, nnx.Rngs(0))))


@pytest.fixture(scope="module")
def compiled(shared_model):
    config, _ = shared_model
    return {keep: jax.jit(Supernet(space, config)) for keep, space in SPACES.items()}


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32), keep=st.sampled_from(sorted(SPACES)))
def test_extracted_logits_equal_the_supernets(shared_model, compiled, seed, keep):
    config, weights = shared_model
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    subnet = SPACES[keep].sample(rng)
    ids = jnp.asarray(numbers.integers(0, 50, (3, 8)), jnp.int32)
    mask = jnp.asarray(np.arange(8)[None] < numbers.integers(1, 9, (3, 1)), jnp.int32)
    types = jnp.asarray(numbers.integers(0, 2, (3, 8)), jnp.int32)
    inherited = compiled[keep](weights, encode_subnet(SPACES[keep], subnet), ids, mask, types)
    alone = extract(weights, SPACES[keep], config, subnet)
    assert alone.config.subnet == subnet
    np.testing.assert_allclose(inherited, alone(ids, mask, types), atol=1e-5)


def test_one_compilation_serves_every_subnet(shared_model):
    config, weights = shared_model
    traced = []

    @jax.jit
    def logits(weights, code, ids):
        traced.append(1)
        return Supernet(SPACES["first"], config)(weights, code, ids, ids * 0 + 1, ids * 0)

    rng = random.Random(0)
    for _ in range(6):
        logits(weights, encode_subnet(SPACES["first"], SPACES["first"].sample(rng)), jnp.zeros((2, 8), jnp.int32))
    assert len(traced) == 1


def test_the_largest_subnet_is_the_teacher(shared_model):
    config, weights = shared_model
    model = extract(weights, SPACES["first"], config, CONFIG.subnet)
    ids = jnp.arange(8, dtype=jnp.int32)[None]
    expected = perturbed(Bert(config, nnx.Rngs(0)))(ids, ids * 0 + 1, ids * 0)
    np.testing.assert_allclose(model(ids, ids * 0 + 1, ids * 0), expected, atol=1e-6)


@pytest.mark.slow
def test_only_the_active_part_gets_a_gradient(shared_model):
    config, weights = shared_model
    space, subnet = SPACES["first"], Subnet(16, 8, (Layer(1, 16), Layer(2, 64)))
    ids = jnp.arange(8, dtype=jnp.int32)[None]

    def loss(weights):
        return jnp.square(Supernet(space, config)(weights, encode_subnet(space, subnet), ids, ids * 0 + 1, ids * 0)).sum()

    gradient = jax.jit(jax.grad(loss))(weights)
    query = np.asarray(gradient.layers["attention"]["self"]["query"]["kernel"])
    active = np.abs(query).sum(axis=0) > 0 if query.ndim == 2 else np.abs(query) > 0
    picture = ["".join("#" if active[layer, :16, head * 8].any() else "." for head in range(4)) for layer in range(4)]
    assert picture == ["#...", "##..", "....", "...."]
    assert not active[:, 16:].any()


@pytest.mark.slow
def test_the_gradient_of_the_blocks_is_added_to_what_is_given(shared_model):
    config, weights = shared_model
    space, subnet = SPACES["even"], Subnet(16, 8, (Layer(1, 16), Layer(2, 64)))
    narrow, code = Supernet(space, config).per_width[0], encode_subnet(space, subnet)
    alone, mask = code.replace(hidden=jnp.zeros_like(code.hidden)), jnp.ones((2, 8), jnp.int32)
    summed = jax.random.normal(jax.random.key(1), (2, 8, 32))
    onto = jax.tree.map(lambda leaf: jax.random.normal(jax.random.key(leaf.size), leaf.shape), weights.layers)

    def gradient(onto):
        def loss(rest):
            return jnp.square(narrow.after_lookup(rest, alone, summed, mask, Wanted(), onto).logits).sum()

        return jax.grad(loss)(weights.split_tables()[1]).layers

    added, own = jax.jit(gradient)(onto), jax.jit(gradient)(None)
    for one, given, other in zip(*map(jax.tree.leaves, (added, onto, own)), strict=True):
        np.testing.assert_allclose(one, given + other, atol=1e-5)


def test_a_subnet_of_another_space_is_refused(shared_model):
    config, weights = shared_model
    stranger = Subnet.uniform(3, 32, 4, 64)
    with pytest.raises(ValueError, match="must be of the search space"):
        encode_subnet(SPACES["first"], stranger)
    with pytest.raises(ValueError, match="must be of the search space"):
        extract(weights, SPACES["first"], config, stranger)


def test_blocks_of_different_sizes_cannot_be_shared():
    config = BertConfig(Subnet(32, 8, (Layer(2, 48), Layer(4, 16))), vocab_size=50, max_positions=16)
    with pytest.raises(ValueError, match="need a teacher with equal blocks"):
        share_weights(Bert(config, nnx.Rngs(0)))
