"""Compiled functions and models to test with."""

import jax
import numpy as np
import pytest
import tvm
from flax import nnx
from tvm import relax

from bertnas_jax.compiler import fuse, host_target, jaxpr_to_relax, lower
from bertnas_jax.compiler.build import build_executable
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.schedule_kernels import schedule_kernels
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Subnet


def trace(function, *arrays):
    """The Relax module of a function of these arrays."""
    avals = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
    return jaxpr_to_relax(function, *avals, names=[f"x{i}" for i in range(len(arrays))])


def call(executable, *arrays):
    """The result of `main` as a numpy array."""
    machine = relax.VirtualMachine(executable, tvm.cpu())
    return machine["main"](*(tvm.runtime.tensor(np.asarray(array)) for array in arrays)).numpy()


def simplified(module):
    """The module without aliases and dead bindings."""
    return relax.transform.DeadCodeElimination()(relax.transform.CanonicalizeBindings()(module))


def operators_of(module):
    """The operators of `main`, in order."""
    values = [binding.value for block in module["main"].body.blocks for binding in block.bindings]
    return [value.op.name.removeprefix("relax.") for value in values if isinstance(value, relax.Call)]


def assert_same_on(target, rewrite, program, *arrays):
    """A rewrite changes nothing but rounding, by TVM's own unscheduled code."""
    before = simplified(trace(program, *arrays))
    assert_same_results(target, *(relax.transform.LegalizeOps()(module) for module in (before, rewrite(before))), *arrays)


def assert_same_results(target, before, after, *arrays, rtol=1e-4, atol=1e-5):
    """Two modules of PrimFuncs, scheduled or not, compute the same but for rounding."""
    results = [call(build_executable(module, target), *arrays) for module in (before, after)]
    np.testing.assert_allclose(results[1], results[0], rtol=rtol, atol=atol)


def scheduled(target, program, *arrays, precision="float32"):
    """The program's kernels as `schedule_kernels` leaves them: what the passes over instructions start from."""
    with target:
        return schedule_kernels(fuse(trace(program, *arrays), target, precision=precision))


def normal(seed, *shape):
    """Random numbers around 0, of float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def has_byte_weights(target, precision):
    """True if the target's instruction takes weights of a whole byte, and not of fewer bits."""
    with target:
        return integer_dots()[precision].weight_limit == 127


def rounding_bound(x, weights, target, precision):
    """How far quantised x W, for x [..., K] and W [K, N], may be from itself in exact numbers.

    |x W - r c (q V) - ...| is at most what half a step of each operand makes: |x| c / 2 + (|W| + c / 2) r / 2, summed over K.
    """
    with target:
        dot = integer_dots()[precision]
    inner, magnitudes = x.shape[-1], np.abs(x).sum(axis=-1, keepdims=True)
    reach = np.ptp(x, axis=-1, keepdims=True) if dot.is_unsigned else np.abs(x).max(axis=-1, keepdims=True)
    row, column = reach / dot.activation_limit(inner), np.abs(weights).max(axis=0) / dot.weight_limit
    bound = magnitudes * column / 2 + (np.abs(weights).sum(axis=0) + inner * column / 2) * row / 2
    return bound * 1.001 + 1e-5 * magnitudes


@pytest.fixture(scope="session")
def target():
    return host_target()


@pytest.fixture
def run_translated(target):
    """function, arrays -> what its primitive operators compute, by TVM's own unscheduled code."""

    def run(function, *arrays):
        module = relax.transform.LegalizeOps()(trace(function, *arrays))
        return call(build_executable(module, target), *arrays)

    return run


@pytest.fixture
def run_compiled(target):
    """function, arrays -> what our fused and scheduled kernels compute."""

    def run(function, *arrays, precision="float32"):
        return call(build_executable(lower(trace(function, *arrays), target, precision=precision), target), *arrays)

    return run


@pytest.fixture(scope="session")
def make_bert():
    """A BERT with random weights, by the sizes of its Subnet."""

    def make(depth=2, hidden=32, heads=4, ffn=48, head_dim=None, pooling="mean", num_outputs=2, seed=0):
        subnet = Subnet.uniform(depth, hidden, heads, ffn, head_dim)
        return Bert(BertConfig(subnet, vocab_size=100, num_outputs=num_outputs, pooling=pooling), nnx.Rngs(seed))

    return make


@pytest.fixture(scope="session")
def make_inputs():
    """int32 [1, L] ids, mask and token types; the last quarter is padding."""

    def make(seq_len, seed=0):
        ids = np.random.default_rng(seed).integers(0, 100, (1, seq_len)).astype(np.int32)
        position = np.arange(seq_len)[None]
        mask = (position < max(1, seq_len * 3 // 4)).astype(np.int32)
        return ids, mask, (position >= seq_len // 2).astype(np.int32)

    return make
