"""A benchmark's figures as a dated JSON file."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
from collections.abc import Mapping

from bertnas_jax.latency import describe_host
from bertnas_jax.train import versions
from bertnas_jax.whole_file import whole

RESULTS = pathlib.Path(__file__).parents[2] / "benchmarks" / "results"


def write_result(name: str, fields: Mapping, folder: pathlib.Path = RESULTS) -> pathlib.Path:
    """Writes `NAME_DATE.json`: the fields, with date, machine, load average and versions; returns its path."""
    date = datetime.date.today().isoformat()
    provenance = {
        "date": date,
        "machine": dataclasses.asdict(describe_host()) | {"load_average_1min": round(os.getloadavg()[0], 2)},
        "versions": versions(),
    }
    path = folder / f"{name}_{date}.json"
    with whole(path) as partial:
        partial.write_text(json.dumps(provenance | dict(fields), indent=1) + "\n", encoding="utf-8")
    return path
