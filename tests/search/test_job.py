"""Bad input gets a clear error before any work: nothing of the run folder is made but the folder."""

import dataclasses
import pathlib
import shutil

import pytest

from bertnas_jax.compiler import Tuning
from bertnas_jax.model import CheckpointError
from bertnas_jax.latency import KernelParts, KernelTable, Provenance
from bertnas_jax.search.job import open_job
from bertnas_jax.search.latencies import latency_stage
from bertnas_jax.search.side_by_side import conditions_of


def with_checkpoint(config, source, folder):
    shutil.copytree(source, folder)
    return dataclasses.replace(config, checkpoint=str(folder))


def with_task(config, task_folder, folder):
    shutil.copytree(task_folder, folder)
    return dataclasses.replace(config, task=dataclasses.replace(config.task, task=str(folder)))


def check_refused(config, error, message):
    with pytest.raises(error, match=message):
        open_job(config)
    assert not pathlib.Path(config.workdir).exists()


def test_a_good_configuration_opens(tiny_config):
    job = open_job(tiny_config)
    assert job.space.count == 4 + 16 and job.bert.num_outputs == 2 and job.feed.pad_share < 0.5


def test_a_tuning_of_another_cpu(tiny_config, tmp_path):
    Tuning("another", {}).save(tmp_path / "tuning.json")
    check_refused(dataclasses.replace(tiny_config, tuning=str(tmp_path / "tuning.json")), ValueError, "must be of the CPU .* got one of another")
    check_refused(dataclasses.replace(tiny_config, tuning=str(tmp_path / "none.json")), FileNotFoundError, "none.json")


def test_a_missing_checkpoint(tiny_config):
    check_refused(dataclasses.replace(tiny_config, checkpoint="./nowhere"), CheckpointError, "'./nowhere', which does not exist")


def test_another_architecture(tiny_config, tiny_checkpoint, tmp_path):
    config = with_checkpoint(tiny_config, tiny_checkpoint, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"model_type": "bert"', '"model_type": "t5"'))
    check_refused(config, CheckpointError, "must say model_type='bert', got 't5'")


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_broken_weights(tiny_config, tiny_checkpoint, tmp_path, damage):
    config = with_checkpoint(tiny_config, tiny_checkpoint, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:1000])
    check_refused(config, CheckpointError, "must be a whole safetensors file" if damage == "truncated" else "must hold model.safetensors")


def test_a_vocabulary_that_does_not_fit(tiny_config, tiny_checkpoint, tmp_path):
    config = with_checkpoint(tiny_config, tiny_checkpoint, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"vocab_size": 30522', '"vocab_size": 1000'))
    check_refused(config, ValueError, "token ids must be below the checkpoint's vocab_size=1000")


@pytest.mark.parametrize(
    ("split", "content", "message"),
    [
        ("train", b"text\tlabel\nfine\tgood\n", "sentence"),
        ("dev", b"sentence\tlabel\nfine\tsplendid\n", "splendid"),
        ("dev", b"sentence\tlabel\n", "dev"),
        ("train", b"sentence\tlabel\nfine \xff\tgood\n", "UTF-8"),
    ],
    ids=["missing column", "unknown label", "empty split", "not UTF-8"],
)
def test_broken_task_files(tiny_config, task_folder, tmp_path, split, content, message):
    config = with_task(tiny_config, task_folder, tmp_path / "data")
    (tmp_path / "data" / f"{split}.tsv").write_bytes(content)
    check_refused(config, ValueError, message)


def test_a_space_larger_than_the_checkpoint(tiny_config):
    config = dataclasses.replace(tiny_config, space=dataclasses.replace(tiny_config.space, depths=(2, 6)))
    check_refused(config, ValueError, "depths must not exceed the checkpoint's 2")


def test_no_budget(tiny_config):
    config = dataclasses.replace(tiny_config, budget=dataclasses.replace(tiny_config.budget, speedup_over_bert_base=0.0))
    check_refused(config, ValueError, "a budget must be given, got none; give --latency_ms=20.*--limits=.*--max_params=.*--max_flops=.*--max_file_mb=.*--max_memory_mb=")


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("pixle_4/1 large: 30", "device must have a profile, got 'pixle_4'; the nearest are pixel_4"),
        ("pixel_4/9 large: 30", "core set must be of pixel_4"),
        ("host/256 threads: 30", "threads must be at most the [0-9]+ cores of this process, got 256"),
        ("host/1 thread/tvm/bfloat16: 30", "dtype of a limit of the host must be one of float32, int8_accurate, int8_fast, got 'bfloat16'"),
        ("pixel_4/1 large/tflite/float32/512: 30", None),
    ],
)
def test_limits_are_checked_first(tiny_config, limit, message):
    config = dataclasses.replace(tiny_config, budget=dataclasses.replace(tiny_config.budget, limits=(limit,), speedup_over_bert_base=0.0))
    if message is None:
        assert open_job(config).limits[0].place.seq_len == 512
    else:
        check_refused(config, ValueError, message)


def test_the_precision_of_a_run_is_that_of_the_hosts_limit_and_stays(tiny_config):
    config = dataclasses.replace(tiny_config, budget=dataclasses.replace(tiny_config.budget, precision="int8_fast"))
    assert open_job(config).precision == "int8_fast"
    with pytest.raises(ValueError, match="where precision is 'int8_fast' there and 'float32' here"):
        open_job(tiny_config)


def test_a_kernel_table_of_other_numbers_is_refused(tiny_config):
    """A run folder that is older than the knob, or whose table was put there."""
    job = open_job(tiny_config)
    wanted = conditions_of(job)
    provenance = Provenance(dataclasses.replace(wanted, precision="int8_fast"), "a CPU", {}, "2026-01-01")
    KernelTable({}, 0.0, KernelParts(64, {}, {}, {}), provenance).save(job.path("kernel_table.json"))
    job.folder.write_json("budget.json", [{"latency_ms": 1.0, "bert_base_ms": 20.0}])
    with pytest.raises(ValueError, match="precision='float32'.*got .*precision='int8_fast'"):
        latency_stage(job)


def test_more_threads_than_cores(tiny_config):
    config = dataclasses.replace(tiny_config, budget=dataclasses.replace(tiny_config.budget, threads=256))
    check_refused(config, ValueError, "threads must be at most the [0-9]+ cores of this process, got 256")


def test_a_length_beyond_the_positions(tiny_config, tiny_checkpoint, tmp_path):
    config = with_checkpoint(tiny_config, tiny_checkpoint, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 8'))
    check_refused(config, ValueError, "max_length must be at most the checkpoint's 8 positions, got 16")
