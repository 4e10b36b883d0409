"""Finds the most accurate sub-network of a BERT checkpoint that meets a latency budget, and exports it.

  python -m bertnas_jax.search --flagfile=configs/quickstart.cfg
  python -m bertnas_jax.search --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=2,3,4 --latency_ms=20 --speedup_over_bert_base=0

Give --flagfile first: later flags override it. A run that is started again continues.
"""

import os
import pathlib
import sys

from absl import app, flags, logging

from bertnas_jax.errors import explained
from bertnas_jax.flags import config_from_flags, define_flags
from bertnas_jax.search.config import SearchConfig


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"flags must begin with --, got {argv[1:]}; write --name=value (comments of a flagfile begin at column 0)")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it advises to install PyTorch, which nothing here needs
    logging.set_verbosity(logging.WARNING)  # orbax tells of every checkpoint otherwise
    with explained():
        config = config_from_flags(SearchConfig)
        # Imported once the flags are known to be good: the runtimes take seconds to load.
        from bertnas_jax.report import write_report
        from bertnas_jax.search.run import run

        run(config)
        print(write_report(pathlib.Path(config.workdir).expanduser()))


if __name__ == "__main__":
    define_flags(SearchConfig)
    sys.exit(app.run(main))
