"""Fine-tunes a BERT checkpoint on a task and trains the supernet of its sub-networks.

  python -m bertnas_jax.train --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=3,6 --ffns=768,1536

Give --flagfile first: later flags override it. A run that is started again continues, and
`python -m bertnas_jax.search` goes on in its --workdir.
"""

import json

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of
from bertnas_jax.train.supernet_config import SupernetConfig


def main(config: SupernetConfig) -> None:
    from bertnas_jax.train.run import run

    print(json.dumps(run(config), indent=1))


if __name__ == "__main__":
    define_flags(SupernetConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(SupernetConfig, main))
