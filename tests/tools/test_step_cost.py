"""The tool on a tiny teacher: which turns it takes, and that a step is one."""

import json

import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet
from tools import step_cost

TEACHER = Subnet.uniform(2, 16, 2, 32)
TINY = step_cost.Compared(
    32, SearchSpace(TEACHER, (1, 2), (16,), (2,), (32,)), {"full": TEACHER, "half_shallow": Subnet.uniform(1, 16, 2, 32)}
)
SIZES = step_cost.Sizes(2, 8)
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""


def test_every_cost_is_told_with_and_without_the_update(tmp_path):
    told = json.loads(step_cost.run(TINY, SIZES, 2, None, tmp_path).read_text())
    assert set(told["median_s"]) == {f"{side}_{kind}_{name}" for side in ("elastic", "plain") for kind in ("step", "gradient") for name in TINY.subnets}
    assert min(told["median_s"].values()) > 0
    for kind in ("step", "gradient"):
        assert told["subnets"]["full"][f"{kind}_of_full"]["median"] == 1
        assert told["subnets"]["half_shallow"][f"{kind}_of_plain"]["median"] > 0
    assert 0.4 < told["subnets"]["half_shallow"]["flops_of_full"] < 0.6


def test_a_step_updates_the_weights_that_all_subnets_share_and_a_gradient_none():
    model = Bert(BertConfig(TEACHER, TINY.vocabulary), nnx.Rngs(0))
    batch = step_cost.make_batch(SIZES, TINY.vocabulary)
    turns = step_cost.elastic_turns(TINY, model, batch)[0] | step_cost.plain_turns(TINY, batch)
    losses = {}
    for name, turn in turns.items():
        turned = [turn() for _ in range(3)]  # the warm-up's first step is of a learning rate of 0
        losses[name] = [float(np.ravel(report.losses if "step" in name else report[0])[0]) for report in turned[::2]]
    for name, (one, other) in losses.items():
        assert (other != one) == ("step" in name), name
    # The full Subnet's turns came before.
    assert losses["elastic_step_half_shallow"][0] != losses["elastic_gradient_half_shallow"][0]
