import dataclasses
import os
import shutil

import pytest

from bertnas_jax.train import RunFolder, RunFolderError, SupernetConfig, run_folder
from bertnas_jax.train.mesh import MeshConfig


@pytest.fixture
def config(tmp_path):
    return SupernetConfig(workdir=str(tmp_path / "run"))


def test_it_holds_the_configuration_and_versions(config):
    folder = RunFolder.open(config)
    assert folder.read_json("config.json")["checkpoint"] == config.checkpoint
    assert {"python", "jax", "apache-tvm"} <= folder.read_json("versions.json").keys()


def test_a_folder_of_another_configuration_is_refused_and_left_alone(config):
    RunFolder.open(config).write_text("precious", "result")
    other = dataclasses.replace(config, seed=5, max_length=32)
    with pytest.raises(RunFolderError, match="max_length is 64 there and 32 here; seed is 0 there and 5 here.*nothing in it was changed"):
        RunFolder.open(other)
    assert (RunFolder.open(config).path / "precious").read_text() == "result"


def test_a_moved_folder_is_still_its_run(config, tmp_path):
    RunFolder.open(config)
    shutil.move(config.workdir, tmp_path / "moved")
    RunFolder.open(dataclasses.replace(config, workdir=str(tmp_path / "moved")))


def test_a_run_goes_on_on_another_mesh(config):
    RunFolder.open(config)
    folder = RunFolder.open(dataclasses.replace(config, mesh=MeshConfig(data=1, tensor=-1)))
    assert folder.read_json("config.json")["mesh_tensor"] == -1


def test_of_several_processes_the_primary_writes(config, monkeypatch):
    RunFolder.open(config)
    monkeypatch.setattr(run_folder, "is_primary", lambda: False)
    folder = RunFolder.open(config)
    folder.write_text("result", "other")
    assert not folder.has("result")
    with pytest.raises(RunFolderError, match="seed is 0 there and 1 here"):
        RunFolder.open(dataclasses.replace(config, seed=1))
    with pytest.raises(RunFolderError, match="workdir must be one folder for all processes"):
        RunFolder.open(dataclasses.replace(config, workdir=config.workdir + "_elsewhere"))


def test_no_folder_named():
    with pytest.raises(RunFolderError, match="workdir must name a folder"):
        RunFolder.open(SupernetConfig())


def test_a_path_that_cannot_be_a_folder(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="workdir must be writable"):
        RunFolder.open(dataclasses.replace(config, workdir=str(tmp_path / "file" / "run")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(config, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunFolderError, match="workdir must be writable"):
        RunFolder.open(config)


def test_a_full_disk(config, monkeypatch):
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**8))
    with pytest.raises(RunFolderError, match=r"must have 2.0 GB free, got 0.1 GB"):
        RunFolder.open(config)


def test_a_broken_config_is_named(config):
    folder = RunFolder.open(config)
    folder.write_text("config.json", "{")
    with pytest.raises(RunFolderError, match="config.json must be JSON"):
        RunFolder.open(config)


def test_a_file_is_whole_or_not_there(config, monkeypatch):
    folder = RunFolder.open(config)
    folder.write_text("result", "old")
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
    with pytest.raises(OSError, match="power cut"):
        folder.write_text("result", "new")
    assert (folder.path / "result").read_text() == "old"
