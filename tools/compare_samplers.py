"""How much of the best front that there is each sampler finds, on a space small enough to evaluate whole.

Every Subnet's accuracy and latency stand in a table: given as --table, or made from the run folder of a trained supernet
(accuracy on part of dev, latency by the kernel table; written down as it goes, and the same command goes on where it
stopped). Each sampler then searches it from several seeds, beginning as a run's search does, with the uniform nets nearest to
the budget; the score is the hypervolume of what was evaluated, up to the budget and above the worst accuracy, as a share of that of all Subnets.

  python tools/compare_samplers.py --workdir=runs/sst2 --depths=2,3,4 --evaluations=200 --seeds=10
  python tools/compare_samplers.py --table=table.json
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import statistics
import sys

import optuna
from tqdm import tqdm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.errors import explained
from bertnas_jax.search.config import SAMPLERS, SamplerConfig
from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.explore import first_subnets
from bertnas_jax.search.hypervolume import hypervolume
from bertnas_jax.search.samplers import Limits, NothingLeft, choices_of, make_sampler, suggest
from bertnas_jax.space import SearchSpace, Subnet

CHOICES = ("depths", "hiddens", "heads", "ffns")
MOST = 100_000  # Subnets of a space that is evaluated whole


@dataclasses.dataclass(frozen=True)
class Table:
    """Accuracy and latency in ms of every Subnet of a space; sources say what was evaluated, and where.

    Raises:
      ValueError: a Subnet of the space is missing.
    """

    space: SearchSpace
    rows: dict[Subnet, Evaluated]
    sources: dict

    def __post_init__(self):
        missing = [subnet for subnet in self.space.enumerate(MOST) if subnet not in self.rows]
        if missing:
            raise ValueError(
                f"a table must hold every subnet of its space, got none for {len(missing)} of {self.space.count}, e.g. "
                f"{missing[0].describe()}; evaluate them too"
            )

    def save(self, path: pathlib.Path) -> None:
        teacher, choices = dataclasses.asdict(self.space.teacher), {name: getattr(self.space, name) for name in CHOICES}
        rows = [dataclasses.asdict(self.rows[subnet]) for subnet in self.space.enumerate(MOST)]
        path.write_text(json.dumps({"teacher": teacher, "choices": choices, "sources": self.sources, "rows": rows}) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: pathlib.Path) -> Table:
        fields = json.loads(path.read_text(encoding="utf-8"))
        choices = {name: tuple(fields["choices"][name]) for name in CHOICES}
        rows = [Evaluated(Subnet.from_fields(row["subnet"]), row["accuracy"], row["latency_ms"]) for row in fields["rows"]]
        return cls(SearchSpace(Subnet.from_fields(fields["teacher"]), **choices), {row.subnet: row for row in rows}, fields["sources"])


def table_of_run(workdir: str, choices: dict[str, tuple[int, ...]], dev_subset: int, seq_len: int, threads: int) -> Table:
    """The table of a trained run's supernet, for its space or the part of it that has these choices.

    Raises:
      ValueError: the space is too large, has other choices than the run's, or records of other settings are there.
      FileNotFoundError: the folder holds no trained supernet.
    """
    from bertnas_jax.benchmark.trained_run import open_run, read_run, sources
    from bertnas_jax.compiler import host_target
    from bertnas_jax.latency import Conditions, KernelTable, fill_kernel_table
    from bertnas_jax.supernet import Supernet
    from bertnas_jax.train import SupernetScorer

    config = read_run(workdir)
    trained = open_run(config)
    whole = trained.job.space
    space = dataclasses.replace(whole, **choices)
    for subnet in (space.smallest, space.largest):
        whole.check(subnet)
    if space.count > MOST:
        raise ValueError(f"a space that is evaluated whole must have at most {MOST:,} subnets, got {space.count:,}; give fewer choices")
    folder = pathlib.Path(workdir) / "compare_samplers"
    settings = {"dev_subset": dev_subset, "seq_len": seq_len, "threads": threads, "seed": config.seed}
    settings |= {name: list(getattr(space, name)) for name in CHOICES}
    check_settings(folder, settings)
    prices = folder / "kernel_table.json"
    if not prices.exists():
        conditions = Conditions(seq_len, threads, trained.job.bert.num_outputs, trained.job.bert.pooling)
        fill_kernel_table(space, conditions, host_target()).save(prices)
    table = KernelTable.load(prices)
    scorer = SupernetScorer(Supernet(whole, trained.job.bert), trained.weights, trained.job.feed, dev_subset, config.seed)
    subnets = {subnet.describe(): subnet for subnet in space.enumerate(MOST)}
    bar = tqdm(total=len(subnets), desc="table, those not yet written down", unit="subnet", mininterval=1.0)

    def record(name: str) -> dict:
        bar.update()
        return {"accuracy": scorer.on_part(subnets[name])}

    with bar:
        scored = recorded(folder / "accuracy.jsonl", "subnet", subnets, record)
    rows = {one: Evaluated(one, row["accuracy"], table.price_ms(one)) for one, row in zip(subnets.values(), scored, strict=True)}
    return Table(space, rows, sources(config) | settings | {"metric": trained.job.feed.task.metric})


def search(table: Table, config: SamplerConfig, budget_ms: float, seed: int) -> list[Evaluated]:
    """What is evaluated of the table, in order, in a study like any of Optuna's that begins as every search does: with uniform nets, then the sampler's."""
    limits, found = Limits(table.space, lambda subnet: table.rows[subnet].latency_ms, budget_ms), []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        try:
            found.append(table.rows[suggest(trial, table.space)])
        except NothingLeft as reason:
            trial.study.stop()
            raise optuna.TrialPruned from reason
        return found[-1].accuracy, found[-1].latency_ms

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make_sampler(config, limits, seed))
    for subnet in first_subnets(limits):
        study.enqueue_trial(choices_of(subnet))
    study.optimize(objective, n_trials=config.evaluations)
    return found


def compare(table: Table, samplers: list[str], evaluations: int, seeds: int, budget_share: float) -> dict:
    """By sampler: the shares of the whole front's hypervolume, one a seed, their median, and how far the best found is behind the best there is.

    The budget lies where this share of all Subnets is under it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    by_latency = sorted(table.rows.values(), key=lambda row: row.latency_ms)
    budget_ms = by_latency[max(0, round(budget_share * len(by_latency)) - 1)].latency_ms
    fitting = [row for row in by_latency if row.latency_ms <= budget_ms]
    floor, best = min(row.accuracy for row in by_latency), max(row.accuracy for row in fitting)
    whole = hypervolume(fitting, floor, budget_ms)
    if whole == 0:
        raise ValueError(f"the table must have fronts of some area, got accuracies of {floor} to {best}; train longer or widen the budget")
    found = {}
    for name in samplers:
        config = SamplerConfig(sampler=name, evaluations=min(evaluations, len(fitting)))
        searches = [search(table, config, budget_ms, seed) for seed in tqdm(range(seeds), desc=name, unit="search")]
        shares = [hypervolume(one, floor, budget_ms) / whole for one in searches]
        behind = [best - max(row.accuracy for row in one) for one in searches]
        found[name] = {
            "hypervolume_share_median": statistics.median(shares),
            "hypervolume_shares": shares,
            "accuracy_behind_best_median": statistics.median(behind),
            "evaluated_median": statistics.median(len(one) for one in searches),
        }
    return {"budget_ms": budget_ms, "subnets": len(by_latency), "under_budget": len(fitting), "best_accuracy": best, "samplers": found}


def run(table: Table, samplers: list[str], evaluations: int, seeds: int, budget_share: float, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    compared = compare(table, samplers, evaluations, seeds, budget_share)
    for name, row in compared["samplers"].items():
        print(
            f"{name}: {row['hypervolume_share_median']:.4f} of the front's hypervolume (least {min(row['hypervolume_shares']):.4f}), "
            f"best {row['accuracy_behind_best_median']:.4f} behind, {row['evaluated_median']:.0f} evaluated"
        )
    settings = {"evaluations": evaluations, "seeds": seeds, "budget_share": budget_share}
    return write_result("compare_samplers", table.sources | settings | compared, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--workdir", help="the run folder of a trained supernet")
    source.add_argument("--table", type=pathlib.Path, help="a table in JSON, as Table.save writes it")
    for name in CHOICES:
        parser.add_argument(f"--{name}", help=f"{name} of the part of the run's space that is evaluated, e.g. 2,4")
    parser.add_argument("--dev_subset", type=int, default=512, help="dev examples an evaluation uses")
    parser.add_argument("--seq_len", type=int, default=64, help="tokens that latencies are for")
    parser.add_argument("--threads", type=int, default=1, help="cores that latencies are for")
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS), help="those to compare")
    parser.add_argument("--evaluations", type=int, default=200, help="of each search")
    parser.add_argument("--seeds", type=int, default=10, help="searches of each sampler")
    parser.add_argument("--budget_share", type=float, default=0.5, help="the share of all Subnets that meets the budget")
    given = parser.parse_args()
    with explained():
        if given.table:
            table = Table.load(given.table)
        else:
            choices = {name: tuple(map(int, getattr(given, name).split(","))) for name in CHOICES if getattr(given, name)}
            table = table_of_run(given.workdir, choices, given.dev_subset, given.seq_len, given.threads)
            table.save(pathlib.Path(given.workdir) / "compare_samplers" / "table.json")
        print(f"written to {run(table, given.samplers, given.evaluations, given.seeds, given.budget_share)}")


if __name__ == "__main__":
    main()
