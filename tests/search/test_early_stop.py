"""Early stops: the statistics against what they promise, and the search that has them on answers made here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.early_stop import LEVEL, Rival, cannot_reach, is_beaten, pack, race, unpack
from bertnas_jax.search.evaluated import pareto_front
from bertnas_jax.search.samplers import Limits
from bertnas_jax.search.shared_study import open_study
from bertnas_jax.search.study import run_study
from tests.search import test_study as made_up

N, PARTS = 512, 4
CONFIG = SamplerConfig(evaluations=40, population=8)


def right_by(subnet, n=N):
    """Examples of unlike difficulty, most of which all Subnets agree on, and some noise of the Subnet's own."""
    rng, own = np.random.default_rng(0), np.random.default_rng(list(subnet.describe().encode()))
    return rng.random(n) + 0.05 * own.standard_normal(n) < 2.0 * made_up.accuracy_of(subnet)


def score_of(subnet, rival):
    return race(np.array_split(right_by(subnet), PARTS), rival, PARTS - 1)


def search(folder, score=score_of, seed=0):
    limits = Limits(made_up.SPACE, made_up.latency_ms_of, 14.0)
    return run_study(limits, score, CONFIG, seed, folder, made_up.FIRST)


@given(st.lists(st.booleans(), max_size=40))
def test_what_is_packed_comes_back(bits):
    right = np.array(bits, bool)
    np.testing.assert_array_equal(unpack(pack(right)), right)


@given(st.integers(1, 300), st.data())
def test_draws_without_replacement_are_no_worse_than_the_bound(half, data):
    """Of 2 x half examples that one of two equals has right, m are seen: the newcomer has so few of them less often than it is said to."""
    m = data.draw(st.integers(1, 2 * half))
    ahead = data.draw(st.integers(0, m // 2))
    if (stated := binom.cdf(ahead, m, 0.5)) < LEVEL:
        assert hypergeom.cdf(ahead, 2 * half, half, m) <= stated * (1 + 1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=24), st.data())
def test_what_cannot_reach_its_rival_does_not_with_all_the_rest_right_and_else_does(pairs, data):
    newcomer, rival = np.array(pairs, bool).T
    seen = data.draw(st.integers(0, len(rival)))
    best = int(newcomer[:seen].sum()) + len(rival) - seen
    assert cannot_reach(newcomer[:seen], rival[:seen], rival[seen:]) == (best < rival.sum())


def test_one_as_good_as_its_rival_is_seldom_stopped():
    """In 2,000 shuffles; the bound is 1 %: more than 1.8 % would be 3.6 standard errors off."""
    rng, stopped = np.random.default_rng(0), 0
    agreed, newcomers, rivals = np.repeat([True, False], 180), np.repeat([True, False], 76), np.repeat([False, True], 76)
    newcomer, rival = np.concatenate([agreed, newcomers]), np.concatenate([agreed, rivals])
    assert newcomer.mean() == rival.mean()
    for _ in range(2_000):
        order = rng.permutation(len(newcomer))
        score = race(np.array_split(newcomer[order], PARTS), Rival(rival.mean(), rival[order]), PARTS - 1)
        stopped += score.stopped_after is not None
    assert stopped <= 0.018 * 2_000


def test_one_that_is_clearly_worse_is_stopped_at_the_first_look_and_stays_below():
    rng = np.random.default_rng(0)
    rival = rng.random(N) < 0.9
    newcomer = rival & (rng.random(N) < 0.7)
    score = race(np.array_split(newcomer, PARTS), Rival(rival.mean(), rival), PARTS - 1)
    assert score.stopped_after == N // PARTS and score.accuracy < rival.mean() and not score.right
    assert score.accuracy == pytest.approx(newcomer.mean(), abs=0.06)  # a standard error is 0.02


def test_without_a_rival_all_is_seen():
    right = np.arange(N) % 3 > 0
    score = race(np.array_split(right, PARTS), None, PARTS - 1)
    assert score.stopped_after is None and score.accuracy == right.mean() and (unpack(score.right) == right).all()
    assert not is_beaten(right, right, LEVEL)


def test_what_was_stopped_is_never_on_the_front_and_the_front_is_what_it_would_have_been(tmp_path):
    found = search(tmp_path)
    stopped = [one for one in found if one.stopped_after is not None]
    assert len(found) == CONFIG.evaluations and 8 <= len(stopped) <= 32
    assert all(one.stopped_after in (128, 256, 384) for one in stopped)
    whole = [one for one in found if one.stopped_after is None]
    assert pareto_front(found) == pareto_front(whole)
    for one in stopped:
        assert any(other.latency_ms <= one.latency_ms and other.accuracy > one.accuracy for other in whole)
        truly = right_by(one.subnet).mean()
        assert any(other.latency_ms <= one.latency_ms and other.accuracy >= truly for other in whole), "it was dominated"


@pytest.mark.parametrize("stop_at", [7, 20])
def test_an_interrupted_search_ends_as_if_it_had_not_been(tmp_path, stop_at):
    whole, calls = search(tmp_path / "whole"), []

    def stops(subnet, rival):
        calls.append(subnet)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return score_of(subnet, rival)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "again", stops)
    assert search(tmp_path / "again") == whole
    kept = [trial.user_attrs for trial in open_study(tmp_path / "again").get_trials(deepcopy=False) if trial.values]
    assert all(("right" in one) != ("stopped_after" in one) for one in kept), "each says what it has seen"
