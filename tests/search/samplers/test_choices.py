import random

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.search.samplers import choices_of, distributions, subnet_of, suggest
from tests.search.made_up_space import SPACE

subnets = st.integers(0, 2**32).map(lambda seed: SPACE.sample(random.Random(seed)))


@given(subnets)
def test_a_subnet_is_its_choices(subnet):
    choices = choices_of(subnet)
    assert subnet_of(choices, SPACE) == subnet
    assert all(distributions(SPACE)[name].choices.count(value) == 1 for name, value in choices.items())


@given(subnets)
def test_an_enqueued_subnet_is_suggested(subnet):
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.enqueue_trial(choices_of(subnet))
    trial = study.ask()
    assert suggest(trial, SPACE) == subnet and trial.params == choices_of(subnet)


def test_choices_that_are_none_of_the_space_are_refused():
    choices = choices_of(SPACE.largest)
    with pytest.raises(ValueError, match="must be of the search space, got D48"):
        subnet_of(choices | {"hidden": 48}, SPACE)
    with pytest.raises(ValueError, match="must have the parameter 'ffn_3'"):
        subnet_of({name: value for name, value in choices.items() if name != "ffn_3"}, SPACE)
