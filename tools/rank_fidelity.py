"""Does the supernet put Subnets in the order that training each alone puts them in?

Takes a run folder of `python -m bertnas_jax.train`, draws Subnets spread over its space by a Latin hypercube, scores
each by the shared weights, trains each alone from those weights with the same budget, and compares the two
orders on the dev split; beside it the orders by parameters and by FLOPs. Each Subnet is written down as
it is done, and the same command goes on where it stopped.

  python tools/rank_fidelity.py --workdir=runs/sst2 --subnets=24 --epochs=1
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.rank_agreement import rank_agreement
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.benchmark.trained_run import open_run, read_run, sources
from bertnas_jax.errors import explained
from bertnas_jax.space import latin_hypercube
from bertnas_jax.train import SupernetConfig, TrainConfig

RECORDS = "subnets.jsonl"
BASELINES = ("inherited", "parameters", "flops")


def collect(config: SupernetConfig, budget: TrainConfig, number: int, folder: pathlib.Path) -> tuple[str, list[dict]]:
    """The metric's name and one record a Subnet, of which those already in the folder are not made again."""
    trained = open_run(config)
    subnets = {subnet.describe(): subnet for subnet in latin_hypercube(trained.job.space, number, config.seed)}

    def record(name: str) -> dict:
        return trained.train_alone(subnets[name], budget, folder / "steps")

    return trained.job.feed.task.metric, recorded(folder / RECORDS, "subnet", subnets, record)


def plot(records: list[dict], metric: str, tau: float, path: pathlib.Path) -> None:
    """Inherited against trained scores, a dot a Subnet, coloured by its FLOPs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    inherited, trained, gflops = ([row[name] for row in records] for name in ("inherited", "trained", "flops"))
    dots = axes.scatter(inherited, trained, c=np.asarray(gflops) / 1e9, cmap="viridis")
    figure.colorbar(dots, label="GFLOPs of one sentence")
    axes.set(xlabel=f"dev {metric} by the shared weights", ylabel=f"dev {metric} trained alone")
    axes.set_title(f"{len(records)} subnets, Kendall tau {tau:.2f}")
    figure.savefig(path, dpi=150)


def run(workdir: str, number: int, budget: TrainConfig, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON; the plot is beside it."""
    config = read_run(workdir)
    folder = pathlib.Path(workdir) / "rank_fidelity"
    settings = {"training": dataclasses.asdict(budget), "seed": config.seed, "subnets_drawn": f"{number} by a Latin hypercube"}
    check_settings(folder, settings)
    metric, records = collect(config, budget, number, folder)
    trained = np.asarray([row["trained"] for row in records])
    agreement = {name: dataclasses.asdict(rank_agreement(np.asarray([row[name] for row in records]), trained)) for name in BASELINES}
    fields = sources(config) | {"metric": metric, "max_length": config.max_length}
    path = write_result("rank_fidelity", fields | settings | {"agreement_with_trained": agreement, "subnets": records}, results)
    plot(records, metric, agreement["inherited"]["kendall_tau"], path.with_suffix(".png"))
    for name, found in agreement.items():
        low, high = found["kendall_tau_interval"]
        print(f"{name}: Kendall tau {found['kendall_tau']:.3f} [{low:.3f}, {high:.3f}], Spearman {found['spearman']:.3f}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="the run folder of a trained supernet")
    parser.add_argument("--subnets", type=int, default=24, help="how many to train alone")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over the training split for each")
    parser.add_argument("--learning_rate", type=float, default=5e-5, help="peak learning rate")
    given = parser.parse_args()
    with explained():
        budget = TrainConfig(epochs=given.epochs, learning_rate=given.learning_rate)
        print(f"written to {run(given.workdir, given.subnets, budget)}")


if __name__ == "__main__":
    main()
