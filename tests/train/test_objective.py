"""Each loss of the objective on its own and together, on a step of the tiny supernet."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from bertnas_jax.model import Bert
from bertnas_jax.space import Layer, Subnet
from bertnas_jax.supernet import Supernet, encode_subnet, share_weights
from bertnas_jax.train import SupernetTrainConfig
from bertnas_jax.train.losses import combined_loss
from bertnas_jax.train.objective import Objective, Reference, inputs_of
from bertnas_jax.train.sandwich import sandwich, stack_codes
from bertnas_jax.train.supernet import step_gradient
from tests.train.conftest import SPACE, TINY

SUPERNET = Supernet(SPACE, TINY)
NOTHING = SupernetTrainConfig(relation_heads=4)
LOSSES = {
    "labels": {"label_weight": 1.0},
    "soft_labels": {"label_weight": 0.0},
    "hidden": {"output_weight": 0.0, "hidden_weight": 1.0},
    "attention": {"output_weight": 0.0, "attention_weight": 1.0},
    "value": {"output_weight": 0.0, "value_weight": 1.0},
    "all": {"hidden_weight": 0.5, "attention_weight": 0.5, "value_weight": 0.5},
    "largest": {"distill_from": "largest"},
}
# Fused as programs are for users: so the same sums are the same to the last places.
as_for_users = functools.partial(jax.jit, compiler_options={"xla_cpu_use_fusion_emitters": True})
LENGTHS = np.asarray([5, 7, 3, 6, 4, 7, 0, 0])


def make_batch(seed=0):
    random = np.random.default_rng(seed)
    mask = (np.arange(7) < LENGTHS[:, None]).astype(np.int32)
    ids = random.integers(1, TINY.vocab_size, mask.shape, np.int32) * mask
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(ids),
        "labels": random.integers(0, 2, len(ids)).astype(np.int32),
        "weight": (LENGTHS > 0).astype(np.float32),
    }


def objective_of(name):
    return Objective(SUPERNET, dataclasses.replace(NOTHING, **LOSSES[name]), regression=False)


def weights_of(seed):
    """Weights as large as a trained model's: fresh ones make every attention uniform."""
    weights = share_weights(Bert(TINY, nnx.Rngs(seed)))
    keys = iter(jax.random.split(jax.random.key(seed), 99))
    return jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(next(keys), leaf.shape), weights)


TEACHER = weights_of(0)
BATCH = make_batch()
LABELS = np.where(BATCH["labels"] > 0, 2.0, -2.0).astype(np.float32)
SOFT = np.stack([-LABELS, LABELS], axis=1)


@functools.cache
def compiled(name):
    objective = objective_of(name)

    def of_subnet(trained, code, teacher, batch):
        def loss(trained):
            reference = Reference(SOFT, objective.teacher_features(teacher, batch))
            return objective(trained, code, batch, reference, objective.config.label_weight)[0]

        return jax.value_and_grad(loss)(trained)

    return jax.jit(of_subnet)


def value_and_gradient(name, subnet, weights, batch):
    """The loss and the gradient of one Subnet by the fixed teacher."""
    return compiled(name)(objective_of(name).trained(weights), encode_subnet(SPACE, subnet), TEACHER, batch)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hidden", "attention", "value"])
def test_the_teacher_itself_has_nothing_to_learn(name):
    same, gradient = value_and_gradient(name, SPACE.largest, TEACHER, BATCH)
    assert float(same) == pytest.approx(0.0, abs=1e-7)
    assert float(optax.tree.norm(gradient)) == pytest.approx(0.0, abs=1e-3)
    other, _ = value_and_gradient(name, SPACE.largest, weights_of(1), BATCH)
    assert float(other) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hidden", "attention", "value", "all"])
def test_padding_and_filler_rows_have_no_influence(name):
    ids = np.where(BATCH["attention_mask"] > 0, BATCH["input_ids"], 5).astype(np.int32)
    moved = dict(BATCH, input_ids=ids, labels=np.where(LENGTHS > 0, BATCH["labels"], 1).astype(np.int32))
    expected, gradient = value_and_gradient(name, SPACE.smallest, weights_of(1), BATCH)
    found, moved_gradient = value_and_gradient(name, SPACE.smallest, weights_of(1), moved)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradient, moved_gradient)


@pytest.mark.parametrize("name", ["hidden", "attention", "value"])
def test_only_the_active_part_gets_a_gradient(name):
    subnet = Subnet(8, 8, (Layer(1, 16),))
    _, gradient = value_and_gradient(name, subnet, weights_of(1), BATCH)
    blocks = gradient.shared.layers
    value = np.abs(np.asarray(blocks["attention"]["self"]["value"]["kernel"])) > 0
    reached = name != "attention"  # one block's own values are behind its queries and keys
    assert value[0, :8, :8].any() == reached and not value[1].any() and not value[0, 8:].any() and not value[0, :, 8:].any()
    if name == "hidden":
        projection = np.abs(np.asarray(gradient.projection)) > 0
        assert projection[:8].all() and not projection[8:].any()
    else:
        assert gradient.projection is None
        query = np.asarray(blocks["attention"]["self"]["query"]["kernel"])
        assert query[0, :8, :8].any() == (name == "attention")


@pytest.mark.slow
def test_the_defaults_are_the_mean_of_the_combined_losses():
    codes = stack_codes(SPACE, sandwich(SPACE, 1, 0, 0))
    objective = Objective(SUPERNET, SupernetTrainConfig(), regression=False)
    weights = weights_of(1)

    def loss(weights, code, batch, soft):
        return combined_loss(SUPERNET(weights, code, *inputs_of(batch)), batch["labels"], soft, batch["weight"], False, 2.0, 0.5)

    @as_for_users
    def expected_of(weights, codes, batch, soft):
        def add(total, code):
            return jax.tree.map(jnp.add, total, jax.value_and_grad(loss)(weights, code, batch, soft)), None

        total, _ = jax.lax.scan(add, (jnp.zeros(()), jax.tree.map(jnp.zeros_like, weights)), codes)
        return jax.tree.map(lambda leaf: leaf / 3, total)

    expected, expected_gradient = expected_of(weights, codes, BATCH, SOFT)
    found, gradient = as_for_users(step_gradient(objective))(objective.trained(weights), codes, BATCH, SOFT, None)
    assert found.shape == (3,) and float(found.mean()) == pytest.approx(float(expected), rel=1e-6)
    # Another order of the same sums in the compiled gradient: one unit in the last place.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), gradient.shared, expected_gradient)
    assert gradient.projection is None


@pytest.mark.slow
def test_the_largest_learns_from_labels_and_teaches_the_others():
    subnets = sandwich(SPACE, 1, 0, 0)
    objective, weights = objective_of("largest"), weights_of(1)
    found, gradient = jax.jit(step_gradient(objective))(objective.trained(weights), stack_codes(SPACE, subnets), BATCH, None, None)

    def loss(weights, soft):
        labels, weight, values = BATCH["labels"], BATCH["weight"], []
        for subnet, share in zip(subnets, (1.0, 0.5, 0.5), strict=True):
            logits = SUPERNET(weights, encode_subnet(SPACE, subnet), *inputs_of(BATCH))
            values.append(combined_loss(logits, labels, soft, weight, False, 2.0, share))
        return sum(values[1:], values[0]) / 3, jnp.stack(values)

    soft = jax.jit(SUPERNET)(weights, encode_subnet(SPACE, SPACE.largest), *inputs_of(BATCH))
    expected, expected_gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(weights, soft)
    np.testing.assert_allclose(found, expected[1], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradient.shared, expected_gradient)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_makes_every_subnet_learn(name):
    objective, optimizer = objective_of(name), optax.adam(1e-2)
    codes = stack_codes(SPACE, (SPACE.largest, SPACE.smallest))
    soft = SOFT if objective.config.needs_soft_labels else None

    @jax.jit
    def step(trained, moments):
        value, gradient = step_gradient(objective)(trained, codes, BATCH, soft, TEACHER)
        updates, moments = optimizer.update(gradient, moments)
        return optax.apply_updates(trained, updates), moments, value.mean()

    trained = objective.trained(weights_of(1))
    moments, values = optimizer.init(trained), []
    for _ in range(60):
        trained, moments, value = step(trained, moments)
        values.append(float(value))
    floor = 0.0  # cross-entropy to soft labels cannot fall below their entropy
    if name in ("soft_labels", "all"):
        soft_share = 1.0 - objective.config.label_weight
        probabilities = np.asarray(jax.nn.softmax(SOFT / 2.0))
        floor = soft_share * 4.0 * -(probabilities * np.log(probabilities)).sum(axis=1).mean()
    assert values[-1] - floor < 0.6 * (values[0] - floor)


def test_text_without_labels_is_enough_for_relations():
    unlabelled = {name: value for name, value in BATCH.items() if name != "labels"}
    objective = objective_of("value")
    codes = stack_codes(SPACE, (SPACE.largest, SPACE.smallest))
    value, _ = jax.eval_shape(step_gradient(objective), objective.trained(TEACHER), codes, unlabelled, None, TEACHER)
    assert value.shape == (2,)


def test_configurations_that_cannot_learn_are_refused():
    with pytest.raises(ValueError, match="at least one of output_weight.* must be positive, got 0 for all"):
        SupernetTrainConfig(output_weight=0.0)
    with pytest.raises(ValueError, match="distill_from='largest' must have soft labels to learn"):
        SupernetTrainConfig(distill_from="largest", label_weight=1.0)
    with pytest.raises(ValueError, match="hidden_weight must be 0.0 to"):
        SupernetTrainConfig(hidden_weight=-1.0)
    with pytest.raises(ValueError, match="relation_heads must divide the attention's channels, got 3 .* use the head_dim, 8"):
        Objective(SUPERNET, SupernetTrainConfig(attention_weight=1.0, relation_heads=3), regression=False)
