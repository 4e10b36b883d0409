import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.space import Layer, Subnet

sizes = st.integers(1, 4096)
subnets = st.builds(
    Subnet, sizes, sizes, st.lists(st.builds(Layer, sizes, sizes), min_size=1, max_size=12).map(tuple)
)


@given(subnets)
def test_json_round_trip_is_the_identity(subnet):
    assert Subnet.from_json(subnet.to_json()) == subnet


@given(subnets, subnets)
def test_describe_names_exactly_one_subnet(first, second):
    assert (first.describe() == second.describe()) == (first == second)


def test_uniform_needs_heads_that_divide_hidden():
    with pytest.raises(ValueError, match=r"heads must divide hidden, got heads=5, hidden=312; use one of \[1, 2, 3, 4, 6, 8, 12"):
        Subnet.uniform(1, 312, 5, 64)


def test_is_uniform_means_a_plain_bert():
    assert Subnet.uniform(2, 64, 2, 128).is_uniform
    assert not Subnet(64, 32, (Layer(1, 128),) * 2).is_uniform
    assert not Subnet(64, 32, (Layer(2, 128), Layer(2, 64))).is_uniform


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "8"])
def test_sizes_must_be_positive_integers(bad):
    with pytest.raises(ValueError, match="must be a positive integer"):
        Layer(bad, 8)
    with pytest.raises(ValueError, match="Subnet.hidden must be a positive integer"):
        Subnet(bad, 8, (Layer(1, 1),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "a Subnet must be a JSON object"),
        ("[]", "a Subnet must have exactly the fields"),
        (json.dumps({"hidden": 8, "head_dim": 4}), "a Subnet must have exactly the fields"),
        (json.dumps({"hidden": 8, "head_dim": 4, "layers": "no"}), "layers must be a list"),
        (json.dumps({"hidden": 8, "head_dim": 4, "layers": [{"heads": 1}]}), "a Layer must have exactly the fields"),
        (json.dumps({"hidden": 8, "head_dim": 4, "layers": []}), "at least one Layer"),
    ],
)
def test_broken_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Subnet.from_json(text)
