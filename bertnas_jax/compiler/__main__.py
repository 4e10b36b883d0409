"""Tells what the compiler does to a sub-network.

  python -m bertnas_jax.compiler --explain --subnet=D384-H32-N12.12-F1536.1536 --picture=fusion.png
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.compiler.explain import ExplainConfig, run
from bertnas_jax.flags import define_flags, main_of


if __name__ == "__main__":
    define_flags(ExplainConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(ExplainConfig, run))
