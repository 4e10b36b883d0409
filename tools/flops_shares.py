"""How good are the Subnets of a trained supernet at given shares of its teacher's FLOPs?

For each share, Subnets up to it (uniform ones and random draws from its upper quarter) are scored by the shared
weights on dev, and the best is trained alone, by the labels and the teacher, from those weights. Each is written
down as it is done, and the same command goes on where it stopped.

  python tools/flops_shares.py --workdir=runs/sst2 --shares=0.5,0.25 --epochs=1
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import pathlib
import random
import sys

from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.benchmark.trained_run import TrainedRun, open_run, read_run, sources
from bertnas_jax.errors import explained
from bertnas_jax.space import Layer, SearchSpace, Subnet
from bertnas_jax.train import TrainConfig

FOLDER, RECORDS = "flops_shares", "subnets.jsonl"
DRAWS = 20_000  # of a space: an array of numbers each, seconds together


def uniform_subnets(space: SearchSpace) -> list[Subnet]:
    """Every Subnet whose blocks are equal."""
    choices = itertools.product(space.depths, space.hiddens, space.heads, space.ffns)
    return [Subnet(hidden, space.teacher.head_dim, (Layer(heads, ffn),) * depth) for depth, hidden, heads, ffn in choices]


def candidates(trained: TrainedRun, share: float, number: int) -> list[Subnet]:
    """Distinct Subnets of at most this share of the teacher's FLOPs and at least three quarters of it, uniform ones first.

    Raises:
      ValueError: the space has none.
    """
    space, rng = trained.job.space, random.Random(f"{trained.job.config.seed}/{share}")
    most = share * trained.flops(space.teacher)
    drawn = itertools.chain(uniform_subnets(space), (space.sample(rng) for _ in range(DRAWS)))
    fitting = dict.fromkeys(subnet for subnet in drawn if 0.75 * most <= trained.flops(subnet) <= most)
    if not fitting:
        raise ValueError(f"shares must be of Subnets that the space has, got {share} of the teacher's FLOPs; give a larger one")
    return list(fitting)[:number]


def run(workdir: str, shares: tuple[float, ...], number: int, budget: TrainConfig, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    config = read_run(workdir)
    folder = pathlib.Path(workdir) / FOLDER
    settings = {"training": dataclasses.asdict(budget), "candidates": number}
    check_settings(folder, settings)
    trained = open_run(config)
    whole = trained.flops(trained.job.space.teacher)

    def record(share: str) -> dict:
        found = candidates(trained, float(share), number)
        scores = [trained.scorer.on_dev(subnet) for subnet in tqdm(found, desc=f"candidates at {share}", unit="subnet")]
        best = found[max(range(len(found)), key=scores.__getitem__)]
        fields = trained.train_alone(best, budget, folder / "steps")
        return {"subnet": best.describe(), "scored": len(found), "share": fields["flops"] / whole} | fields

    records = recorded(folder / RECORDS, "at_most", [str(share) for share in shares], record)
    teacher = trained.teacher.value
    fields = sources(config) | {"metric": trained.job.feed.task.metric, "teacher": teacher}
    for row in records:
        print(f"{row['share']:.3f} of the FLOPs: {row['trained']:.4f} (inherited {row['inherited']:.4f}), teacher {teacher:.4f}: {row['subnet']}")
    return write_result("flops_shares", fields | settings | {"subnets": records}, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="the run folder of a trained supernet")
    parser.add_argument("--shares", default="0.5,0.25", help="shares of the teacher's FLOPs, comma-separated")
    parser.add_argument("--candidates", type=int, default=60, help="Subnets scored by the shared weights at each share")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over the training split for the best of each")
    parser.add_argument("--learning_rate", type=float, default=5e-5, help="peak learning rate")
    parser.add_argument("--label_weight", type=float, default=0.3, help="weight of the labels; the teacher has the rest")
    given = parser.parse_args()
    with explained():
        budget = TrainConfig(epochs=given.epochs, learning_rate=given.learning_rate, label_weight=given.label_weight)
        shares = tuple(float(share) for share in given.shares.split(","))
        print(f"written to {run(given.workdir, shares, given.candidates, budget)}")


if __name__ == "__main__":
    main()
