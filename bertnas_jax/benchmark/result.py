"""A benchmark's figures as a dated JSON file."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import os
import pathlib
from collections.abc import Mapping

from bertnas_jax.latency import describe_host
from bertnas_jax.train import versions
from bertnas_jax.whole_file import whole

RESULTS = pathlib.Path(__file__).parents[2] / "benchmarks" / "results"


def write_result(name: str, fields: Mapping, folder: pathlib.Path = RESULTS) -> pathlib.Path:
    """Writes `NAME_DATE.json`: the fields, with date, machine, load average and versions; returns its path.

    What was measured earlier that day stays: then it is `NAME_DATE_2.json`, and so on.
    """
    date = datetime.date.today().isoformat()
    provenance = {
        "date": date,
        "machine": dataclasses.asdict(describe_host()) | {"load_average_1min": round(os.getloadavg()[0], 2)},
        "versions": versions(),
    }
    paths = (folder / f"{name}_{date}{number}.json" for number in itertools.chain([""], (f"_{count}" for count in itertools.count(2))))
    path = next(path for path in paths if not path.exists())
    with whole(path) as partial:
        partial.write_text(json.dumps(provenance | dict(fields), indent=1) + "\n", encoding="utf-8")
    return path
