"""That the list of passes is whole, and that each says when it may run and is tested where one looks for it."""

import functools
import inspect
import pathlib

import pytest

import bertnas_jax.compiler
from bertnas_jax.compiler.legalize_views import VIEWS
from bertnas_jax.compiler.pipeline import OPTIONAL, fusion_passes, gpu_schedule_passes, rewrite_passes, schedule_passes
from bertnas_jax.compiler.precision import PRECISIONS
from bertnas_jax.compiler.stack_tiles import stack_tiles
from bertnas_jax.compiler.vector_math import VECTOR_MATH

TESTS = pathlib.Path(__file__).parent


def module_of(step):
    return inspect.getmodule(step.func if isinstance(step, functools.partial) else step)


REWRITES = [step for precision in PRECISIONS for step in rewrite_passes(precision=precision)]
MODULES = {module for step in [*REWRITES, *fusion_passes(), *schedule_passes(), *gpu_schedule_passes()] if (module := module_of(step)) is not None}
RULES = {inspect.getmodule(rule) for rule in (*VIEWS.values(), *VECTOR_MATH.values())}


def of_this_package(modules):
    return sorted(module.__name__.split(".")[-1] for module in modules if module.__name__.startswith("bertnas_jax."))


def test_every_file_of_a_pass_is_in_the_list():
    files = pathlib.Path(bertnas_jax.compiler.__file__).parent.glob("*.py")
    assert of_this_package(MODULES) == sorted(file.stem for file in files if file.read_text(encoding="utf-8").startswith('"""Pass: '))


@pytest.mark.parametrize("name", [*of_this_package(MODULES | RULES), stack_tiles.info.name])
def test_a_pass_states_its_precondition_and_is_tested_as_before_and_expected_and_on_random_programs(name):
    source = pathlib.Path(bertnas_jax.compiler.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    test = (TESTS / f"test_{name}.py").read_text(encoding="utf-8")
    assert "Precondition: " in source
    assert "assert_structural_equal" in test and "@given" in test


def test_what_is_left_out_is_no_longer_in_the_list():
    assert len(rewrite_passes(OPTIONAL)) == len(rewrite_passes()) - 3
