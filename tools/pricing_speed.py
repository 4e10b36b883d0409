"""How many Subnets a second the prices of a space tell on one core; a dated JSON.

A space of 12 blocks (--depth) is priced for a phone once, by table; then populations drawn at random are priced as the survey of a search does, in
arrays. Drawing is timed apart.

  python tools/pricing_speed.py --limit "galaxy_s20/1 large/tvm: 30"
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.errors import explained
from bertnas_jax.latency import pinned
from bertnas_jax.search.config import BudgetConfig
from bertnas_jax.search.cost_table import Population
from bertnas_jax.search.latency_limit import limits_of
from bertnas_jax.search.simulated import simulated_prices
from bertnas_jax.search.survey import BATCH
from bertnas_jax.space import SearchSpace, Subnet


def space_of(depth: int) -> SearchSpace:
    """That of configs/sst2_search.cfg, of as many blocks at most."""
    return SearchSpace(Subnet.uniform(depth, 384, 12, 1536), tuple(range(1, depth + 1)), (256, 384), (6, 9, 12), (768, 1152, 1536))


def run(limit: str, depth: int, rounds: int, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    (asked,) = limits_of(BudgetConfig(limits=(limit,)))
    space, rng = space_of(depth), np.random.default_rng(0)
    start_s = time.perf_counter()
    table = simulated_prices(space, asked.place).table
    table_s, drawing_s, pricing_s = time.perf_counter() - start_s, [], []
    with pinned(1):
        for _ in range(rounds):
            start_s = time.perf_counter()
            population = Population.draw(space, depth, BATCH, rng)
            drawn_s = time.perf_counter()
            table.of_all(population)
            drawing_s.append(drawn_s - start_s)
            pricing_s.append(time.perf_counter() - drawn_s)
    rate = BATCH / statistics.median(pricing_s)
    with_drawing = BATCH / statistics.median(np.add(drawing_s, pricing_s).tolist())
    print(f"{rate:,.0f} subnets of {depth} blocks a second on one core, {with_drawing:,.0f} with drawing them; the table took {table_s:.1f} s")
    fields = {"limit": limit, "depth": depth, "space_size": space.count, "array": BATCH, "rounds": rounds, "table_s": round(table_s, 2)}
    return write_result("pricing_speed", fields | {"subnets_per_second": round(rate), "with_drawing": round(with_drawing)}, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", default="galaxy_s20/1 large/tvm: 30", help="where, as --limits of a search has it (%(default)s)")
    parser.add_argument("--depth", type=int, default=12, help="blocks of each Subnet (%(default)s)")
    parser.add_argument("--rounds", type=int, default=40, help="arrays that are timed (%(default)s)")
    given = parser.parse_args()
    with explained():
        print(f"written to {run(given.limit, given.depth, given.rounds)}")


if __name__ == "__main__":
    main()
