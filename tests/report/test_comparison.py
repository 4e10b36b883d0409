import dataclasses

import pytest

from bertnas_jax.report.comparison import bert_base, contenders
from bertnas_jax.space import Subnet, Vocabulary, count_parameters
from tests.report.run_folders import UNIFORM, WINNER


def test_bert_base_has_the_published_number_of_parameters(run):
    # The checkpoint bert-base-uncased: 109,482,240 without a head; ours has the two outputs of one, 2 * 769 more.
    assert bert_base(run.summary).params == 109_482_240 + 2 * 769


def test_the_best_uniform_net_is_compared_by_what_the_search_knew(run):
    *_, winner, uniform = contenders(run)
    assert (winner.model, winner.value, winner.supernet_value, winner.table_ms) == ("winner", 0.8189, 0.80, 7.9)
    assert (uniform.subnet, uniform.value, uniform.supernet_value, uniform.table_ms) == (UNIFORM, None, 0.78, 7.5)


@pytest.mark.parametrize("vocabulary", [Vocabulary(100), Vocabulary(5000, 64, 1, 7, has_pooler=True)])
def test_parameters_of_a_net_as_wide_need_no_vocabulary(run, vocabulary):
    told = dataclasses.replace(run.summary.winner, params=count_parameters(WINNER, vocabulary))
    changed = dataclasses.replace(run, summary=dataclasses.replace(run.summary, winner=told))
    assert contenders(changed)[-1].params == count_parameters(UNIFORM, vocabulary)


def test_parameters_of_a_net_of_another_width_are_not_made_up(run):
    narrow = dataclasses.replace(run.uniform[0], subnet=Subnet.uniform(2, 32, 2, 128))
    assert contenders(dataclasses.replace(run, uniform=(narrow,)))[-1].params is None


def test_no_uniform_net_is_shown_when_none_is_as_fast(run):
    assert [one.model for one in contenders(dataclasses.replace(run, uniform=run.uniform[1:]))] == ["bert_base", "teacher", "winner"]
