"""A few Subnets that stand for a whole space: every choice of it about as often as any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bertnas_jax.space.search_space import SearchSpace
from bertnas_jax.space.subnet import Layer, Subnet

_TRIES = 50  # hypercubes drawn until one has no Subnet twice


def latin_hypercube(space: SearchSpace, number: int, seed: int) -> list[Subnet]:
    """Distinct Subnets, the space's smallest and largest first and the others one in each slice of each choice.

    A slice is of the depth, the hidden width, or the level of heads or of ffn: each block's are drawn around the
    Subnet's level, by a binomial of that mean, so that blocks differ. Unlike draws by chance, whose levels lie near
    the middle in deep Subnets, these hold deep narrow and shallow wide ones of one size.

    Source: McKay, Beckman, Conover, Technometrics 21(2), 1979; scipy.stats.qmc.LatinHypercube.

    Raises:
      ValueError: the space has fewer Subnets, or hardly more.
    """
    from scipy.stats import qmc  # which takes a second to load

    if not 3 <= number <= space.count:
        raise ValueError(f"subnets must be 3 to the space's {space.count:,}, got {number}; choose fewer, or a larger space")
    rng, ends = np.random.default_rng(seed), [space.smallest, space.largest]
    for _ in range(_TRIES):
        points = qmc.LatinHypercube(d=4, rng=rng).random(number - 2)
        subnets = dict.fromkeys([*ends, *(_subnet_at(space, point, rng) for point in points)])
        if len(subnets) == number:
            return list(subnets)
    raise ValueError(f"subnets must be far fewer than the space's {space.count:,}, got {number}; choose fewer, or a larger space")


def _subnet_at(space: SearchSpace, point: Sequence[float], rng: np.random.Generator) -> Subnet:
    depth, hidden = (choices[int(level * len(choices))] for choices, level in zip((space.depths, space.hiddens), point[:2], strict=True))
    heads, ffns = (
        [choices[i] for i in rng.binomial(len(choices) - 1, level, depth)]
        for choices, level in zip((space.heads, space.ffns), point[2:], strict=True)
    )
    return Subnet(hidden, space.teacher.head_dim, tuple(Layer(*sizes) for sizes in zip(heads, ffns, strict=True)))
