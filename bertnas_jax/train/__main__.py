"""Fine-tunes a BERT checkpoint on a task and trains the supernet of its sub-networks.

  python -m bertnas_jax.train --workdir=runs/mine --checkpoint=FOLDER --task=FOLDER --depths=3,6 --ffns=768,1536

Give --flagfile first: later flags override it. A run that is started again continues, and
`python -m bertnas_jax.search` goes on in its --workdir.

It trains on every device there is; --mesh_fsdp and --mesh_tensor share the weights out over some of them.
As one of two processes, whose --workdir both can reach (the other has --process_id=1; on a Cloud TPU pod
or under SLURM --coordinator=auto is all that is needed):

  python -m bertnas_jax.train --workdir=/shared/mine --coordinator=10.0.0.1:1234 --num_processes=2 --process_id=0

--plan trains nothing: it prints what the supernet's step would cost on a TPU that need not be there. With --checkpoint it
is the step that the other flags would train; without, that of BERT-base and of BERT-large as for a pod, where no flag says otherwise:

  python -m bertnas_jax.train --plan=v5e:16x16 --mesh_fsdp=16 --supernet_hidden_weight=1
"""

import dataclasses
import json

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import config_over, define_flags, main_of
from bertnas_jax.train.distributed import is_primary, joined
from bertnas_jax.train.program import TrainProgram
from bertnas_jax.train.supernet_config import SupernetConfig


def main(program: TrainProgram) -> None:
    config = SupernetConfig(**{field.name: getattr(program, field.name) for field in dataclasses.fields(SupernetConfig)})
    if program.plan:
        from bertnas_jax.train.plan import print_plans
        from bertnas_jax.train.planned_step import published_runs

        named = flags.FLAGS["checkpoint"].present
        return print_plans(program.plan, [config] if named else [config_over(run) for run in published_runs(program.plan)])
    from bertnas_jax.train.run import run

    with joined(program.process):
        scores = run(config)
        if is_primary():
            print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    define_flags(TrainProgram)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(TrainProgram, main))
