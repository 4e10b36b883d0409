"""Measures the same sub-network in our compiler and in the runtimes a user could pick instead.

  python -m bertnas_jax.benchmark --flagfile=configs/bench_same_subnet.cfg
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.benchmark.config import BenchmarkConfig
from bertnas_jax.benchmark.same_subnet import run
from bertnas_jax.flags import define_flags, main_of

if __name__ == "__main__":
    define_flags(BenchmarkConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(BenchmarkConfig, run))
