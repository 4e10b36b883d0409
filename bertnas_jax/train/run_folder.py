"""The run folder: what the stages hand to each other, each piece whole or not there."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import platform
import shutil
from typing import Any

from bertnas_jax.flags import config_to_json
from bertnas_jax.train.distributed import barrier, is_primary
from bertnas_jax.train.supernet_config import SupernetConfig
from bertnas_jax.whole_file import whole

PACKAGES = (
    "ai-edge-litert", "apache-tvm", "flax", "jax", "jaxlib", "numpy", "optax", "optuna", "orbax-checkpoint", "tokenizers",
    "transformers",
)  # fmt: skip
# BERT-base as a TFLite file (0.44 GB) and its conversion, twice a training state (0.27 GB), and the models.
NEEDED_GB = 2.0
# A folder may be moved, a run goes on with the same batches on any mesh, and what a search is compared with does not change it.
MAY_DIFFER = ("workdir", "mesh_", "compare_samplers")


class RunFolderError(ValueError):
    """A run folder that cannot be used as it is."""


class RunFolder:
    """A folder of one configuration's results; where several processes share it, the primary alone writes."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    @classmethod
    def open(cls, config: SupernetConfig) -> RunFolder:
        """The folder of `config.workdir`, made if it is not there, with its config.json and versions.json.

        Raises:
          RunFolderError: no folder is named, it cannot be written, its disk is full, or it is of another configuration.
        """
        if not config.workdir:
            raise RunFolderError("workdir must name a folder, got ''; give --workdir=runs/my_first")
        folder = cls(pathlib.Path(config.workdir).expanduser())
        folder._check_same(config)
        if is_primary():
            folder._begin(config)
        barrier()
        if not folder.has("config.json"):
            raise RunFolderError(f"workdir must be one folder for all processes, got {folder.path} without process 0's config.json; share it")
        folder._check_same(config)  # with process 0's
        return folder

    def _begin(self, config: SupernetConfig) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise RunFolderError(f"workdir must be writable, got {self.path} ({error.strerror}); choose another --workdir") from error
        free_gb = shutil.disk_usage(self.path).free / 1e9
        if free_gb < NEEDED_GB and not self.has("config.json"):
            raise RunFolderError(f"the disk of workdir must have {NEEDED_GB} GB free, got {free_gb:.1f} GB at {self.path}; free some space")
        old = self.read_json("config.json") if self.has("config.json") else {}
        self.write_json("config.json", old | json.loads(config_to_json(config)))
        self.write_json("versions.json", versions())

    def _check_same(self, config: SupernetConfig) -> None:
        if not self.has("config.json"):
            return
        try:
            old = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise RunFolderError(f"{self.path / 'config.json'} must be JSON, got {error}; move the folder away") from error
        new = json.loads(config_to_json(config))
        # Only what both have: a search goes on where training alone stopped.
        different = [
            f"{name} is {old[name]!r} there and {new[name]!r} here"
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name] and not name.startswith(MAY_DIFFER) and not name.endswith("checkpoint_seconds")
        ]
        if different:
            raise RunFolderError(
                f"workdir must be a run of the same configuration, got {self.path} where {'; '.join(different[:5])}; "
                "choose another --workdir, or the flags it was begun with (nothing in it was changed)"
            )

    def has(self, name: str) -> bool:
        return (self.path / name).exists()

    def write_text(self, name: str, text: str) -> None:
        """Writes a file whole or not at all."""
        if not is_primary():
            return
        with whole(self.path / name) as partial:
            partial.write_text(text, encoding="utf-8")

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text(encoding="utf-8"))


def versions() -> dict[str, str]:
    """Versions of Python, the system and the packages that figures depend on."""
    found = {"python": platform.python_version(), "system": platform.platform()}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}
