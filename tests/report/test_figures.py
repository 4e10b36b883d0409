import pytest

from bertnas_jax.data.metrics import METRICS
from bertnas_jax.report import figures


def test_every_metric_of_a_task_has_a_style():
    assert set(figures.METRIC_STYLES) == set(METRICS)


def test_shares_are_percent_and_correlations_are_not():
    assert figures.score("accuracy", 0.8189) == "81.9 %"
    assert figures.score("f1", 1.0) == "100.0 %"
    assert figures.score("pearson_spearman", 0.8416) == "0.842"
    assert figures.score("matthews", -0.05) == "-0.050"
    assert figures.score("accuracy", None) == "n/a"
    assert figures.plotted("accuracy", 0.5) == 50
    assert figures.plotted("pearson", 0.5) == 0.5


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="metric must be one of .* got 'bleu'"):
        figures.score("bleu", 0.3)


@pytest.mark.parametrize(("value", "text"), [(0.8349, "0.83"), (9.84, "9.84"), (9.996, "10.0"), (29.44, "29.4"), (99.96, "100"), (163.2, "163")])
def test_milliseconds_have_three_digits(value, text):
    assert figures.milliseconds(value) == text
    assert figures.millijoules(value) == f"{text} mJ"


@pytest.mark.parametrize(("value", "text"), [(None, "n/a"), (0.84, "0.84x"), (1.0, "1.0x"), (14.23, "14.2x"), (163.2, "163x")])
def test_factor(value, text):
    assert figures.factor(value) == text


@pytest.mark.parametrize(("value", "text"), [(7, "7"), (1500, "1.50 k"), (22_713_216, "22.7 M"), (999_600_000, "1.00 G"), (11.2e9, "11.2 G")])
def test_count(value, text):
    assert figures.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(8.24, "8.2 s"), (59.97, "1 min 0 s"), (725, "12 min 5 s"), (3599.6, "1 h 0 min"), (3840, "1 h 4 min")])
def test_duration(value, text):
    assert figures.duration(value) == text


def test_whole_numbers_and_plurals():
    assert figures.whole_number(1048576) == "1,048,576"
    assert figures.whole_number(34 * 10**12) == "3.4e+13"
    assert (figures.plural(1, "thread"), figures.plural(1200, "thread")) == ("1 thread", "1,200 threads")
