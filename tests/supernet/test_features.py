"""What the elastic forward pass keeps for distillation is what the extracted model computes."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert
from bertnas_jax.space import Layer, Subnet
from bertnas_jax.supernet import Supernet, Wanted, encode_subnet, extract, share_weights
from tests.supernet.test_elastic import CONFIG, SPACES, perturbed

IDS = jnp.asarray(np.random.default_rng(0).integers(0, 50, (2, 6)), jnp.int32)
INPUTS = (IDS, jnp.asarray([[1, 1, 1, 1, 0, 0], [1] * 6], jnp.int32), jnp.zeros_like(IDS))
ALL = Wanted(hidden=True, projections=True)
SUBNETS = (CONFIG.subnet, Subnet(16, 8, (Layer(4, 16), Layer(1, 64))), SPACES["even"].sample(random.Random(3)))


@pytest.fixture(scope="module")
def weights():
    return share_weights(perturbed(Bert(CONFIG, nnx.Rngs(0))))


@pytest.fixture(scope="module", params=["first", "even"])
def compiled(request):
    supernet = Supernet(SPACES[request.param], CONFIG)
    return supernet.space, jax.jit(lambda weights, code: supernet.features(weights, code, INPUTS, ALL))


@pytest.mark.parametrize("subnet", SUBNETS, ids=lambda subnet: subnet.describe())
def test_features_are_the_extracted_models(weights, compiled, subnet):
    space, features_of = compiled
    features = features_of(weights, encode_subnet(space, subnet))
    model = extract(weights, space, CONFIG, subnet)
    states = model.hidden_states(*INPUTS)
    np.testing.assert_allclose(features.logits, model(*INPUTS), atol=1e-5)

    kept = space.kept_layers(subnet.depth)
    for position, state in zip(kept, states[1:], strict=True):
        np.testing.assert_allclose(features.hidden[position, ..., : subnet.hidden], state, atol=1e-5)
        assert not np.asarray(features.hidden[position, ..., subnet.hidden :]).any()

    width, last = subnet.layers[-1].heads * subnet.head_dim, model.layer[-1].attention.self
    assert int(features.projections.width) == width
    for name, found in (("query", last.query), ("key", last.key), ("value", last.value)):
        padded = {"query": features.projections.query, "key": features.projections.key, "value": features.projections.value}[name]
        np.testing.assert_allclose(padded[..., :width], found(states[-2]), atol=1e-5)
        assert not np.asarray(padded[..., width:]).any()


def test_what_is_not_wanted_is_not_there(weights):
    supernet = Supernet(SPACES["first"], CONFIG)
    code = encode_subnet(supernet.space, CONFIG.subnet)
    plain = jax.make_jaxpr(supernet)(weights, code, *INPUTS)
    unwanted = jax.make_jaxpr(lambda *args: supernet.features(*args, INPUTS, Wanted()).logits)(weights, code)
    assert len(plain.jaxpr.eqns) == len(unwanted.jaxpr.eqns)
    shapes = jax.eval_shape(lambda: supernet.features(weights, code, INPUTS, Wanted()))
    assert shapes.hidden is None and shapes.projections is None


@pytest.mark.slow
def test_projections_do_not_touch_other_blocks(weights):
    space, subnet = SPACES["first"], Subnet(16, 8, (Layer(2, 16), Layer(1, 64)))

    def loss(weights):
        found = Supernet(space, CONFIG).features(weights, encode_subnet(space, subnet), INPUTS, Wanted(projections=True))
        return jnp.square(found.projections.value).sum() + jnp.square(found.projections.query).sum()

    gradient = jax.jit(jax.grad(loss))(weights).layers
    value = np.abs(np.asarray(gradient["attention"]["self"]["value"]["kernel"])) > 0
    picture = ["".join("#" if value[layer, :16, head * 8].any() else "." for head in range(4)) for layer in range(4)]
    assert picture == ["##..", "#...", "....", "...."]
    assert not value[:, 16:].any()
    ffn = np.abs(np.asarray(gradient["feed_forward"]["output"]["dense"]["kernel"])).sum(axis=(1, 2)) > 0
    assert ffn.tolist() == [True, False, False, False]  # the last block's is behind its projections
