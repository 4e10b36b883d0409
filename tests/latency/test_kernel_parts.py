import random
from collections import Counter

import pytest

from bertnas_jax.latency import covering_subnet, decompose
from bertnas_jax.space import Layer, SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(4, 32, 4, 64), (1, 2, 4), (16, 32), (1, 2, 4), (24, 64))


def kernels_of(subnet):
    """A stand-in for the compiler: products sized by two of the widths, one LayerNorm after each half."""
    d = subnet.hidden
    counts = Counter({f"embed {d}": 1, f"pool {d}": 1, f"norm {d}": 1})
    for layer in subnet.layers:
        counts.update({f"qkv {d} {layer.heads}": 3, f"attention {layer.heads}": 1, f"norm {d}": 2})
        counts.update([f"out {layer.heads} {d}", f"up {d} {layer.ffn}", f"down {layer.ffn} {d}"])
    return counts


def test_the_parts_of_any_subnet_add_up_to_its_kernels():
    lowered = []
    parts = decompose(SPACE, lambda subnet: lowered.append(subnet) or kernels_of(subnet))
    assert len(lowered) == len(SPACE.hiddens) * (len(SPACE.heads) + len(SPACE.ffns) + 1)
    rng = random.Random(0)
    for subnet in (SPACE.smallest, SPACE.largest, *(SPACE.sample(rng) for _ in range(50))):
        assert parts.kernels(subnet) == kernels_of(subnet)


def test_the_covering_subnet_has_every_choice():
    subnet = covering_subnet(SPACE, 16)
    assert {layer.heads for layer in subnet.layers} == set(SPACE.heads)
    assert {layer.ffn for layer in subnet.layers} == set(SPACE.ffns)
    assert subnet.depth == 3


def test_a_kernel_across_heads_and_ffn_is_found_out():
    def fused(subnet):
        return kernels_of(subnet) + Counter(f"out-up {layer.heads} {layer.ffn}" for layer in subnet.layers)

    with pytest.raises(ValueError, match="must be the sum of its blocks' kernels, got .* e.g. out-up"):
        decompose(SPACE, fused)


def test_sizes_outside_the_space_are_named():
    parts = decompose(SPACE, kernels_of)
    with pytest.raises(ValueError, match="hidden of"):
        parts.kernels(Subnet.uniform(1, 64, 8, 64))
    with pytest.raises(ValueError, match=r"heads must be one of \(1, 2, 4\), got 3"):
        parts.kernels(Subnet(16, 8, (Layer(3, 64),)))
    with pytest.raises(ValueError, match=r"ffn must be one of \(24, 64\), got 32"):
        parts.kernels(Subnet(16, 8, (Layer(2, 32),)))
