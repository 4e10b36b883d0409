"""Finds the most accurate sub-network of a BERT checkpoint that meets a budget, and exports it.

  python -m bertnas_jax.search --flagfile=configs/quickstart.cfg
  python -m bertnas_jax.search --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=2,3,4 --latency_ms=20
  python -m bertnas_jax.search --workdir=runs/small --checkpoint=FOLDER --task=FOLDER --depths=2,3,4 --max_params=17000000

Give --flagfile first: later flags override it. A run that is started again continues.
"""

import pathlib

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of
from bertnas_jax.search.config import SearchConfig


def main(config: SearchConfig) -> None:
    # Imported once the flags are known to be good: the runtimes take seconds to load.
    from bertnas_jax.report import write_report
    from bertnas_jax.search.run import run

    run(config)
    print(write_report(pathlib.Path(config.workdir).expanduser()))


if __name__ == "__main__":
    define_flags(SearchConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(SearchConfig, main))
