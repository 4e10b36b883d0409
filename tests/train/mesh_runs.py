"""Run as a program with 8 virtual CPU devices: a training run on each mesh.

Arguments: the JSON of a SupernetConfig, and of the meshes by the name of the run's folder in its workdir.
"""

import dataclasses
import json
import pathlib
import sys

from bertnas_jax.flags import config_from_json
from bertnas_jax.train import SupernetConfig
from bertnas_jax.train.mesh import MeshConfig
from bertnas_jax.train.run import run


def main(config, meshes):
    config = config_from_json(SupernetConfig, config)
    for name, sizes in json.loads(meshes).items():
        run(dataclasses.replace(config, workdir=str(pathlib.Path(config.workdir) / name), mesh=MeshConfig(*sizes)))


if __name__ == "__main__":
    main(*sys.argv[1:])
