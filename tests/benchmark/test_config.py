import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.benchmark import runtimes
from bertnas_jax.benchmark.config import BenchmarkConfig
from bertnas_jax.flags import config_from_flags, config_to_flagfile, define_flags
from bertnas_jax.latency import usable_cores
from bertnas_jax.space import Subnet

shapes = st.lists(st.tuples(st.integers(1, 24), st.sampled_from((64, 128)), st.sampled_from((2, 4)), st.integers(1, 4096), st.integers(1, 512)), min_size=1, unique=True)
names = st.lists(st.sampled_from(sorted(runtimes.RUNTIMES)), unique=True).map(lambda drawn: sorted({*drawn, "tflite"}))
configs = st.builds(
    BenchmarkConfig,
    shapes=shapes.map(lambda drawn: ",".join("x".join(map(str, shape)) for shape in drawn)),
    threads=st.lists(st.integers(1, 64), min_size=1, unique=True).map(tuple),
    runtimes=names.map(",".join),
    rounds=st.integers(3, 100),
    seed=st.integers(0, 9),
)


@given(configs)
def test_config_to_flagfile_to_config_is_the_identity(config):
    values = flags.FlagValues()
    define_flags(BenchmarkConfig, values)
    values(["benchmark", *config_to_flagfile(config).splitlines()])
    assert config_from_flags(BenchmarkConfig, values) == config


def test_a_shape_is_read():
    first, second = BenchmarkConfig(shapes="4x256x4x1024x128, 1x64x2x96x7").parsed_shapes()
    assert (first.subnet, first.seq_len) == (Subnet.uniform(4, 256, 4, 1024), 128)
    assert (second.subnet, second.seq_len) == (Subnet.uniform(1, 64, 2, 96), 7)
    (alone,) = BenchmarkConfig(shapes="64", checkpoint="somewhere").parsed_shapes()
    assert (alone.subnet, alone.seq_len) == (None, 64)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shapes": ""}, "shapes must be some, each once"),
        ({"shapes": "12x768x12x3072"}, "a shape must be LAYERSxHIDDENxHEADSxFFNxTOKENS without a checkpoint"),
        ({"shapes": "0x768x12x3072x8"}, "all at least 1"),
        ({"shapes": "1x64x2x-8x8"}, "all at least 1"),
        ({"shapes": "1x768x5x3072x8"}, "heads must divide hidden"),
        ({"shapes": "1x64x2x64x5000"}, "at most 4096"),
        ({"shapes": "1x64x2x64x5", "checkpoint": "x"}, "TOKENS with a checkpoint"),
        ({"threads": ()}, "threads must be some"),
        ({"threads": (0,)}, "threads must be 1 to 256"),
        ({"threads": (1, 1)}, "each once"),
        ({"runtimes": "tvm,tflite,onnx"}, "got onnx;"),
        ({"runtimes": "tvm"}, "runtimes must have tflite"),
        ({"rounds": 2}, "rounds must be 3 to"),
    ],
)
def test_bad_values_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        BenchmarkConfig(**given)


def test_more_threads_than_cores_are_refused():
    with pytest.raises(ValueError, match="usable cores, got 256"):
        BenchmarkConfig(threads=(1, 256), runtimes="tflite").check_machine()
    BenchmarkConfig(threads=(len(usable_cores()),), runtimes="tvm,tflite").check_machine()


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(runtimes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"openvino must have the package onnx, openvino, found none; pip install .*\[peers\]"):
        BenchmarkConfig(threads=(1,), runtimes="tflite,openvino").check_machine()
