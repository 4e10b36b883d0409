"""A configuration, its flags, its flagfile and its JSON say the same."""

import json
import pathlib

import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.benchmark.config import BenchmarkConfig
from bertnas_jax.flags import config_from_flags, config_from_json, config_over, config_to_flagfile, config_to_json, define_flags
from bertnas_jax.search.config import SAMPLERS, BudgetConfig, SamplerConfig, SearchConfig
from bertnas_jax.space import Subnet
from bertnas_jax.train import SpaceConfig, SupernetConfig, SupernetTrainConfig
from tests.conftest import REPOSITORY

words = st.text("abcxyz/._-", min_size=1, max_size=12).filter(lambda word: not word.startswith("-"))
configs = st.builds(
    SearchConfig,
    workdir=words,
    seed=st.integers(0, 1000),
    max_length=st.integers(8, 64),
    space=st.builds(SpaceConfig, depths=st.sampled_from([(), (1, 2), (3,)]), keep=st.sampled_from(["first", "even", "importance"])),
    budget=st.builds(
        BudgetConfig,
        latency_ms=st.floats(0.1, 1e5),
        seq_len=st.integers(64, 512),
        limits=st.lists(st.sampled_from(["pixel_4/1 large + 1 medium/tflite/int8/32: 30", "galaxy_s20/gpu: 12x"]), max_size=2).map(tuple),
        max_file_mb=st.floats(0, 1e3),
    ),
    sampler=st.builds(SamplerConfig, sampler=st.sampled_from(SAMPLERS), evaluations=st.integers(1, 500)),
    supernet=st.builds(SupernetTrainConfig, epochs=st.floats(0.01, 9), learning_rate=st.floats(1e-6, 1e-2)),
)


def parse(arguments):
    values = flags.FlagValues()
    define_flags(SearchConfig, values)
    rest = values(["search", *arguments])
    return config_from_flags(SearchConfig, values), rest[1:]


@given(configs)
def test_config_to_flagfile_to_config_is_the_identity(config):
    assert parse(config_to_flagfile(config).splitlines()) == (config, [])


@given(configs)
def test_config_to_json_to_config_is_the_identity(config):
    assert config_from_json(SearchConfig, config_to_json(config)) == config


def test_given_flags_are_set_over_a_base_even_to_their_defaults():
    values = flags.FlagValues()
    define_flags(SupernetConfig, values)
    values(["program", "--num_random=1", "--depths=3,4"])
    base = SupernetConfig(num_random=5, seed=7, space=SpaceConfig(depths=(2,), ffns=(64, 96)))
    assert config_over(base, values) == SupernetConfig(num_random=1, seed=7, space=SpaceConfig(depths=(3, 4), ffns=(64, 96)))


@pytest.mark.parametrize("path", sorted(pathlib.Path(REPOSITORY, "configs").glob("*.cfg")), ids=lambda path: path.name)
def test_every_flagfile_parses_and_says_what_it_costs(path):
    text = path.read_text()
    values = flags.FlagValues()
    programs = {"bertnas_jax.search": SearchConfig, "make quickstart": SearchConfig, "bertnas_jax.benchmark": BenchmarkConfig}
    program = next((config for command, config in programs.items() if command in text), SupernetConfig)
    define_flags(program, values)
    assert values(["program", f"--flagfile={path}"])[1:] == []
    assert isinstance(config_from_flags(program, values), program)
    for word in ("Command:", "Cost:", "Must reach:"):
        assert f"# {word}" in text


def test_the_cloud_config_is_what_was_planned():
    """Its cost rests on a plan: that must be of its mesh, its batch, its Subnets a step and its model's largest sizes."""
    values = flags.FlagValues()
    define_flags(SupernetConfig, values)
    values(["program", f"--flagfile={REPOSITORY}/configs/cloud.cfg"])
    config = config_from_flags(SupernetConfig, values)
    plans = json.loads(pathlib.Path(REPOSITORY, "benchmarks/results/tpu_plan_2026-11-24.json").read_text())["plans"]
    planned = next(one for one in plans if one["model"] == "bert_base")
    assert list(config.mesh.shape(planned["devices"])) == planned["mesh"] and config.num_random + 2 == planned["subnets"]
    assert (config.tokens_per_batch, config.max_length, config.max_buckets) == (planned["rows"] * planned["seq_len"], planned["seq_len"], 1)
    space = config.space.space_of(Subnet.uniform(12, 768, 12, 3072))
    assert space.largest == Subnet.uniform(12, 768, 12, 3072) and space.count > 10**9


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--depths=2,x", "--depths must be integers separated by commas, got '2,x'"),
        ("--teacher_learning_rate=nan", "learning_rate must be 1e-08 to 1.0, got nan"),
        ("--latency_ms=-1", "latency_ms must be 0.0 to 1000000.0"),
        ("--seq_len=32", "seq_len must be at least max_length"),
        ("--threads=0", "threads must be 1 to 256"),
        ("--precision_tolerance=-1", "precision_tolerance must be 0.0 to 1.0"),
        ("--task=text:corpus.txt", "supernet_output_weight must be 0 for text, which has no labels, got 1.0"),
    ],
)
def test_bad_values_are_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        parse([argument])


def test_a_search_on_text_is_refused():
    with pytest.raises(ValueError, match="task must have labels to search by, got 'text:corpus.txt'"):
        parse(["--task=text:corpus.txt", "--supernet_output_weight=0", "--supernet_value_weight=1"])


def test_an_older_json_has_the_defaults_of_younger_knobs():
    assert config_from_json(SearchConfig, '{"seed": 7}') == SearchConfig(seed=7)


def test_two_budgets_are_refused():
    with pytest.raises(ValueError, match="only one of latency_ms and speedup_over_bert_base must be above 0, got 5.0 and 12.0"):
        parse(["--latency_ms=5", "--speedup_over_bert_base=12"])


@pytest.mark.parametrize(("argument", "message"), [("--sed=1", "Unknown command line flag 'sed'"), ("--runtime=onnx", "onnx")])
def test_unknown_flags_and_choices_are_refused(argument, message):
    with pytest.raises(flags.Error, match=message):
        parse([argument])
