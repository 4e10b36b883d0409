"""Keeps the summary of a run as a dated benchmark result.

  python tools/keep_run.py quickstart runs/quickstart --wall_s 858
"""

from __future__ import annotations

import argparse
import json
import pathlib

from bertnas_jax.benchmark import write_result
from bertnas_jax.benchmark.trained_run import without_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the result")
    parser.add_argument("folder", type=pathlib.Path, help="the run folder, with its summary.json")
    parser.add_argument("--wall_s", type=float, help="seconds of the whole command, installation included")
    arguments = parser.parse_args()
    path = arguments.folder / "summary.json"
    if not path.is_file():
        parser.error(f"the run folder must hold summary.json, got {arguments.folder} without it; finish the run")
    fields = {"command_wall_s": arguments.wall_s} if arguments.wall_s else {}
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["checkpoint"] = without_folder(summary["checkpoint"])
    print(write_result(arguments.name, fields | {"summary": summary}))


if __name__ == "__main__":
    main()
