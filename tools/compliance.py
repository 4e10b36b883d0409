"""Do winners meet their budgets when they are measured again, in a process of their own?

Draws latencies for this machine at random, uniform in their logarithm, from what the fastest Subnet takes to the largest's price, and for each searches
the trained supernet of a run folder: few evaluations, the finalists built and measured, prices corrected as any search does; nothing is
fine-tuned, which changes no latency. Each winner is then built and measured again in a fresh process, in turn with BERT-base on
TensorFlow Lite as its finalists were. Each search is written down as it is done (RUN/compliance), and the same command goes on
where it stopped. Only RUN/compliance is written to.

  python tools/compliance.py --workdir=runs/clinc150 --searches=50

Cost: BERT-base and the kernels once, a minute; then half a minute a search on 2 cores of an AMD EPYC (Zen 5), and four processes of some seconds each; nothing else may run
meanwhile.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import pathlib
import random
import shutil
import sys

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.benchmark.trained_run import TrainedRun, open_run, read_run, sources
from bertnas_jax.compiler import Tuning
from bertnas_jax.errors import explained
from bertnas_jax.search.config import BudgetConfig, SamplerConfig, SearchConfig
from bertnas_jax.search.finalists import time_afresh
from bertnas_jax.search.job import Job, known_tuning
from bertnas_jax.search.latencies import latency_stage
from bertnas_jax.search.latency_limit import limits_of
from bertnas_jax.search.rounds import read_rounds, rounds_stage
from bertnas_jax.search.samplers import InfeasibleBudget
from bertnas_jax.search.side_by_side import bert_base_file
from bertnas_jax.search.tuned import tuning_stage
from bertnas_jax.supernet import Supernet
from bertnas_jax.train import RunFolder, Stopwatch, SupernetConfig, SupernetScorer

TOLERANCE = 0.03  # by which a winner may exceed its budget when it is measured again
BERT_BASE_FILE = "baseline/bert_base.tflite"
KEPT = ("kernel_table.json", "tuning.json")
PRICES_FILE = "prices.json"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What every search of a comparison has in common; evaluations and finalists of each, and where it is measured."""

    searches: int = 50
    evaluations: int = 24
    finalists: int = 3
    dev_subset: int = 256
    seq_len: int = 32
    threads: int = 1
    fresh_processes: int = BudgetConfig().fresh_processes
    seed: int = 0
    tune: bool = True

    def config(self, run: SupernetConfig, folder: pathlib.Path, latency_ms: float, number: int) -> SearchConfig:
        """The configuration of one search over the run's supernet."""
        shared = {field.name: getattr(run, field.name) for field in dataclasses.fields(SupernetConfig)}
        sampler = SamplerConfig(
            evaluations=self.evaluations, population=max(2, self.evaluations // 4), dev_subset=self.dev_subset, finalists=self.finalists, priced=100_000
        )
        budget = BudgetConfig(latency_ms=latency_ms, threads=self.threads, seq_len=self.seq_len, fresh_processes=self.fresh_processes)
        return SearchConfig(**shared | {"workdir": str(folder), "seed": self.seed + number}, budget=budget, sampler=sampler, tune=self.tune)


class Searches:
    """Searches over one trained supernet, each in a folder of its own below the run's, that share prices and BERT-base."""

    def __init__(self, trained: TrainedRun, settings: Settings, folder: pathlib.Path):
        self._trained, self._settings, self._folder = trained, settings, folder
        job = trained.job
        self._prices = self._job("prices", 1e6)
        self._scorer = SupernetScorer(Supernet(job.space, job.bert), trained.weights, job.feed, settings.dev_subset, settings.seed)

    def _job(self, name: str, latency_ms: float, number: int = 0) -> Job:
        config = self._settings.config(self._trained.job.config, self._folder / name, latency_ms, number)
        (self._folder / name).mkdir(parents=True, exist_ok=True)
        inputs = vars(self._trained.job) | {"config": config, "folder": RunFolder(self._folder / name)}
        return Job(**inputs, limits=limits_of(config.budget), tuning=known_tuning(config.tuning))

    def prices(self) -> dict:
        """The fastest Subnet's price in ms and what it takes in a process of its own, the price of the largest, and BERT-base's latency on TensorFlow Lite.

        As they were when the comparison was begun: its budgets are drawn between them.
        """
        job = self._prices
        if not job.folder.has(PRICES_FILE):
            with tuning_stage(job):
                budget = latency_stage(job)
                table = budget.host.cost.table
                (fastest,) = time_afresh(job, self._trained.weights, table.cheapest(), processes=1)
            prices = {"fastest_price_ms": table.of(table.cheapest()), "fastest_ms": fastest.timing.median_ms, "slowest_ms": table.of(job.space.largest)}
            job.folder.write_json(PRICES_FILE, prices | {"bert_base_ms": budget.host.bert_base_ms})
        return job.folder.read_json(PRICES_FILE)

    def search(self, number: int, latency_ms: float, bert_base_ms: float) -> dict:
        """One search's winner, and its latency as a finalist and in a process of its own; `subnet` is None if it found none."""
        trained, job = self._trained, self._job(f"search_{number}", latency_ms, number)
        for name in KEPT:
            shutil.copyfile(self._folder / "prices" / name, job.path(name))
        self._share_bert_base(job.path(BERT_BASE_FILE))
        job.folder.write_json("budget.json", [{"latency_ms": latency_ms, "bert_base_ms": bert_base_ms}])
        with Tuning.load(job.path("tuning.json")):
            try:
                subnet = rounds_stage(job, trained.weights, self._scorer, latency_stage(job), Stopwatch(job.folder))
            except InfeasibleBudget as reason:
                return {"latency_ms": latency_ms, "subnet": None, "why": str(reason), "rounds": len(read_rounds(job))}
            (again,) = time_afresh(job, trained.weights, subnet, processes=1)
        told = job.folder.read_json("finalists.json")
        chosen = next(one for one in told if one["chosen"])
        job.path(BERT_BASE_FILE).unlink()
        timing = again.timing
        figures = {"median_ms": timing.median_ms, "p90_ms": timing.p90_ms, "runs": timing.runs, "reference_drift": timing.reference_drift}
        return {
            "latency_ms": latency_ms,
            "subnet": subnet.describe(),
            **{name: chosen[name] for name in ("accuracy", "table_ms", "measured_ms", "fresh_ms")},
            "refused": sum(bool(one["fresh_ms"]) and not one["meets_budget"] for one in told),
            "factors": [one.factor for one in read_rounds(job)],
            "again": figures | {"process": again.process},
            "share_of_budget": timing.median_ms / latency_ms,
        }

    def _share_bert_base(self, path: pathlib.Path) -> None:
        """The file that all searches measure beside, 0.4 GB, under this search's name too; made again if a run that had ended is gone on with."""
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        os.link(bert_base_file(self._prices), path)


def draw_budgets(fastest_ms: float, slowest_ms: float, margin: float, settings: Settings) -> list[float]:
    """Latencies in ms under which, less the margin, some Subnet is."""
    rng, least_ms = random.Random(settings.seed), fastest_ms / (1 - margin)
    return [math.exp(rng.uniform(math.log(least_ms), math.log(slowest_ms))) for _ in range(settings.searches)]


def summary_of(rows: list[dict]) -> dict:
    """How many winners meet their budgets within the tolerance, and how much of them they take."""
    shares = [row["share_of_budget"] for row in rows if row["subnet"]]
    met = sum(share <= 1 + TOLERANCE for share in shares)
    spread = {}
    if shares:
        points = (0, 5, 25, 50, 75, 95, 100)
        spread = {f"p{point}": value for point, value in zip(points, np.percentile(shares, points).tolist(), strict=True)}
    return {
        "searches": len(rows),
        "winners": len(shares),
        "met": met,
        "met_without_tolerance": sum(share <= 1 for share in shares),
        "tolerance": TOLERANCE,
        "share_of_budget": spread,
        "prices_corrected": sum(len(row["factors"]) > 1 for row in rows if row["subnet"]),
    }


def run(workdir: str, settings: Settings, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    config = read_run(workdir)
    folder = pathlib.Path(workdir).expanduser().resolve() / "compliance"
    check_settings(folder, dataclasses.asdict(settings))
    searches = Searches(open_run(config), settings, folder)
    prices = searches.prices()
    margin = BudgetConfig().margin
    fastest_ms = max(prices["fastest_ms"], prices["fastest_price_ms"])
    # Of models that run for less than it takes to begin one, the largest's price may lie under what the fastest takes.
    budgets = draw_budgets(fastest_ms, max(prices["slowest_ms"], 2 * fastest_ms), margin, settings)
    with tqdm(total=len(budgets), desc="searches, those not yet written down", unit="search") as bar:

        def record(key: str) -> dict:
            row = searches.search(int(key), budgets[int(key)], prices["bert_base_ms"])
            bar.update()
            return row

        rows = recorded(folder / "searches.jsonl", "search", map(str, range(len(budgets))), record)
    (folder / "prices" / BERT_BASE_FILE).unlink(missing_ok=True)  # 0.4 GB
    found = summary_of(rows)
    print(f"{found['met']} of {found['winners']} winners meet their budget within {100 * TOLERANCE:.0f} % in a fresh process; {found['searches']} searches")
    space = {name: list(getattr(config.space, name)) for name in ("depths", "hiddens", "heads", "ffns")}
    fields = sources(config) | {"space": space, "margin": margin} | dataclasses.asdict(settings) | prices
    return write_result("compliance", fields | {"found": found, "rows": rows}, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="the run folder of a trained supernet")
    for field, told in (
        ("searches", "how many budgets are drawn and searched"),
        ("evaluations", "Subnets evaluated in a search"),
        ("finalists", "Subnets built and measured in a search, at least"),
        ("dev_subset", "dev examples an evaluation uses"),
        ("seq_len", "tokens that latencies are for; at least the run's --max_length"),
        ("threads", "cores that latencies are for"),
        ("fresh_processes", "processes of its own that a winner must meet its budget in before it is one"),
        ("seed", "fixes budgets and searches"),
    ):
        parser.add_argument(f"--{field}", type=int, default=getattr(Settings(), field), help=f"{told} (%(default)s)")
    given = parser.parse_args()
    with explained():
        names = [field.name for field in dataclasses.fields(Settings) if field.name != "tune"]
        print(f"written to {run(given.workdir, Settings(**{name: getattr(given, name) for name in names}))}")


if __name__ == "__main__":
    main()
