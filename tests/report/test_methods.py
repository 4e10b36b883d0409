import dataclasses

from bertnas_jax.report.methods import methods
from tests.report.run_folders import OTHER, WINNER


def test_beginnings_come_first_and_every_method_has_its_best(run):
    found = methods(run)
    assert [(one.name, len(one.evaluated), one.is_whole) for one in found] == [
        ("these and others at random", 2, False), ("NSGA-II (this search)", 3, True), ("random", 2, True),
    ]  # fmt: skip
    assert [one.best.subnet for one in found] == [WINNER, WINNER, OTHER]
    assert {(one.floor, one.budget_ms) for one in found} == {(0.70, 8.5)}


def test_uniform_nets_are_those_that_the_search_evaluated(run):
    """Whether one is on a front is another matter in each file."""
    uniform = (dataclasses.replace(run.evaluated[0], on_front=True),)
    assert [len(one.evaluated) for one in methods(dataclasses.replace(run, uniform=uniform))] == [1, 2, 3, 2]


def test_a_method_covers_more_with_every_evaluation(run):
    for method in methods(run):
        assert method.covered == sorted(method.covered) and len(method.covered) == len(method.evaluated)
