"""Which Subnets are left before they have seen all of the dev subset: those that one no slower clearly beats.

The subset comes in parts drawn at random. After each, newcomer and rival are compared on the examples that exactly one of them has
right. Were the newcomer no less accurate on the whole subset, it would have at least every other of those right; how many it has of those
seen so far is then at least binomial with a half. If so few have odds under the level, it is stopped; and so it is, with certainty, if it
is further behind than there are examples left that the rival has wrong: it gains on no others.
Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages", in its exact,
one-sided form. Examples are drawn without replacement, by which extremes are rarer still (Hoeffding 1963, "Probability
inequalities for sums of bounded random variables", section 6). The level is shared out over the looks (Bonferroni).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Bool
from scipy.special import bdtr

from bertnas_jax.space import Subnet

LEVEL = 0.01  # at most this share of the Subnets that are as good as their rival is stopped


@dataclasses.dataclass(frozen=True, eq=False)
class Rival:
    """The most accurate Subnet that has seen all of the subset and is no slower: which examples it has right, in the parts' order."""

    accuracy: float
    right: Bool[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class Score:
    """An accuracy, with the examples that were right as `pack` writes them, if they are known.

    After a stop, `stopped_after` examples, it is an estimate: the rival's, less what the newcomer was behind on what it saw.
    """

    accuracy: float
    right: str = ""
    stopped_after: int | None = None


ScoreOf = Callable[[Subnet, Rival | None], Score]


def whole(accuracy_of: Callable[[Subnet], float]) -> ScoreOf:
    """Scores that no rival cuts short."""
    return lambda subnet, rival: Score(accuracy_of(subnet))


def race(parts: Iterable[Bool[np.ndarray, " k"]], rival: Rival | None, looks: int) -> Score:
    """The accuracy over the parts, until the rival has clearly won; it is asked at most `looks` times."""
    seen = np.zeros(0, bool)
    for part in parts:
        seen = np.concatenate([seen, part])
        if rival is None or len(seen) == len(rival.right):
            continue
        known, left = np.split(rival.right, [len(seen)])
        if cannot_reach(seen, known, left) or is_beaten(seen, known, LEVEL / looks):
            return Score(rival.accuracy - float(known.mean() - seen.mean()), stopped_after=len(seen))
    return Score(float(seen.mean()), pack(seen))


def cannot_reach(newcomer: Bool[np.ndarray, " k"], rival: Bool[np.ndarray, " k"], rival_left: Bool[np.ndarray, " m"]) -> bool:
    """True if the newcomer is less accurate than its rival over all even if it has every example right that is left."""
    return int(rival.sum()) - int(newcomer.sum()) > int(np.sum(~rival_left))


def is_beaten(newcomer: Bool[np.ndarray, " k"], rival: Bool[np.ndarray, " k"], level: float) -> bool:
    """True if one no less accurate than its rival would do as badly on these examples with a chance below the level."""
    ahead, behind = int(np.sum(newcomer & ~rival)), int(np.sum(rival & ~newcomer))
    return behind > ahead and float(bdtr(ahead, ahead + behind, 0.5)) < level


def pack(right: Bool[np.ndarray, " n"]) -> str:
    """The examples that are right as text, 8 in two characters."""
    return f"{len(right)}:{np.packbits(right).tobytes().hex()}"


def unpack(text: str) -> Bool[np.ndarray, " n"]:
    """What `pack` wrote."""
    number, _, digits = text.partition(":")
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8), count=int(number)).astype(bool)
