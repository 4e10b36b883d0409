"""One more process for the search of a run, on this machine or on any other that reaches its folder and its --storage.

  python -m bertnas_jax.search.worker --workdir=runs/mine

Start any number of them once the supernet of `python -m bertnas_jax.search --workdir=runs/mine` is trained, while it searches
or before it goes on. Each evaluates Subnets for the same study until it has all its evaluations; then it ends.
"""

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import define_flags, main_of
from bertnas_jax.search.worker.work import WorkerConfig, work


if __name__ == "__main__":
    define_flags(WorkerConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(WorkerConfig, work))
