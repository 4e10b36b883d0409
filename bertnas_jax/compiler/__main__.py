"""Tells what the compiler does to a sub-network, or tunes its products for this machine.

  python -m bertnas_jax.compiler --explain --subnet=D384-H32-N12.12-F1536.1536 --picture=fusion.png
  python -m bertnas_jax.compiler --tune --subnet=D384-H32-N12.12-F1536.1536 --seq_len=128 --threads=1,2 --tuning=tuning.json
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.compiler.config import CompilerConfig
from bertnas_jax.compiler.run import run
from bertnas_jax.flags import define_flags, main_of


if __name__ == "__main__":
    define_flags(CompilerConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(CompilerConfig, run))
