"""A space small enough to evaluate whole, and a made-up accuracy that is not simple: blocks of unlike worth that depend on the one
below, returns that diminish, and the noise of 872 dev sentences."""

import math
import random

from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.space import SearchSpace, Subnet

SPACE = SearchSpace(Subnet.uniform(4, 64, 4, 256), (1, 2, 3, 4), (32, 64), (2, 4), (64, 128, 256))
WORTH, SENTENCES = (0.5, 1.0, 0.7, 0.35), 872


def accuracy_of(subnet):
    total = 0.0
    for block, layer in enumerate(subnet.layers):
        narrower = block and layer.heads < subnet.layers[block - 1].heads
        total += WORTH[block] * (0.5 + 0.175 * math.log2(layer.heads) + 0.15 * math.log2(layer.ffn / 64) - 0.25 * narrower)
    exact = 0.5 + 0.42 * (1 - math.exp(-1.1 * total * subnet.hidden**0.4 / 64**0.4))
    return round((exact + random.Random(subnet.describe()).gauss(0, 0.004)) * SENTENCES) / SENTENCES


def latency_ms_of(subnet):
    return 0.3 + sum(0.15 + subnet.hidden / 64 * (0.08 * layer.heads + 0.9 * layer.ffn / 256) for layer in subnet.layers)


ROWS = {subnet: Evaluated(subnet, accuracy_of(subnet), latency_ms_of(subnet)) for subnet in SPACE.enumerate()}
BUDGET_MS = sorted(row.latency_ms for row in ROWS.values())[len(ROWS) // 2]
