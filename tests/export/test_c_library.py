import ctypes
import re
import shutil
import subprocess
import threading

import numpy as np
import pytest

from bertnas_jax.compiler import compile_lengths, compile_model, host_target
from bertnas_jax.compiler.memory_plan import aligned
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from bertnas_jax.export.c_library import LIBRARY_FILE, WEIGHTS_FILE, write_c_library
from bertnas_jax.export.parity import logits_of
from bertnas_jax.space import Layer, Subnet
from tests.export.conftest import VOCAB_SIZE
from tests.export.libraries import arm64_emulator, bert, compile_program, run_model, sentence

L = 16
OK, NULL_POINTER, BAD_THREADS, MISSING, TRUNCATED, OTHER_MODEL, BAD_LENGTH, BAD_ID, BAD_MASK, BAD_TYPE = range(10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library") / "c"
    write_c_library(bert(), [8, L], host_target(), folder)
    return folder


@pytest.fixture(scope="module")
def library(folder):
    return ctypes.CDLL(str(folder / LIBRARY_FILE))


@pytest.fixture
def create(library, folder):
    """weights, threads -> status, model; every model is destroyed afterwards."""
    made = []

    def create(weights=None, threads=1):
        model = ctypes.c_void_p()
        status = library.bertnas_create(str(weights or folder / WEIGHTS_FILE).encode(), threads, ctypes.byref(model))
        made.append(model)
        return status, model

    yield create
    for model in made:
        library.bertnas_destroy(model)


def run(library, model, inputs, length=L, logits=True):
    """The status and the logits of a call through ctypes; None is a null pointer."""
    arrays = [None if array is None else np.ascontiguousarray(array, np.int32).ravel() for array in inputs]
    pointers = [None if array is None else array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
    result = np.full(2, np.nan, np.float32)
    status = library.bertnas_run(model, *pointers, length, result.ctypes.data_as(ctypes.c_void_p) if logits else None)
    return status, result[None]


SIZES = {
    "regression of odd sizes": (Subnet(39, 13, (Layer(3, 50), Layer(2, 31))), {"num_outputs": 1}, 13),
    "cls pooling": (Subnet.uniform(2, 32, 4, 48), {"pooling": "cls"}, 8),
    "one token": (Subnet.uniform(1, 32, 4, 48), {}, 1),
    "long enough for threads": (Subnet.uniform(2, 96, 4, 192), {"num_outputs": 3}, 48),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) for name in SIZES])
def test_logits_are_those_of_tvm(name, tmp_path):
    subnet, sizes, seq_len = SIZES[name]
    model, inputs, target = bert(subnet, **sizes), sentence(seq_len), host_target()
    write_c_library(model, [seq_len], target, tmp_path / "c")
    expected = compile_model(model, seq_len, target).run(*inputs)
    one, two = (run_model(target, tmp_path / "c", inputs, threads) for threads in (1, 2))
    np.testing.assert_allclose(one, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(one, two, "threads must not change results")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["host", ANDROID_ARM64])
def test_a_product_that_overwrites_its_residual_computes_what_jax_does(name, tmp_path):
    """Blocks with more neurons than keys, queries and values together: without it their last product would set the arena's size."""
    emulator = arm64_emulator() if name == ANDROID_ARM64 else ()
    subnet = Subnet(96, 24, (Layer(4, 400), Layer(3, 384), Layer(4, 392)))
    model, inputs, target = bert(subnet), sentence(37), named_target(name)
    write_c_library(model, [37], target, tmp_path / "c")
    plan = (tmp_path / "c/source/plan.c").read_text()
    assert len(re.findall(r"\w+_over_\d+\(arena", plan)) == 3
    assert f"bertnas_arena_bytes = {aligned(4 * 37 * 96) + aligned(4 * 37 * 400)};" in plan
    expected = logits_of(model, *inputs)
    one, two = (run_model(target, tmp_path / "c", inputs, threads, emulator) for threads in (1, 2))
    np.testing.assert_allclose(one, expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(one, two, "threads must not change results")


@pytest.mark.parametrize("name", ["host", ANDROID_ARM64])
def test_the_example_prints_the_logits(name, folder, tmp_path):
    """example.c as it stands in the folder, compiled and run: here, and under qemu-aarch64."""
    emulator, target, copied = [], named_target(name), tmp_path / "c"
    if name == "host":
        shutil.copytree(folder, copied)
    else:
        emulator = arm64_emulator()
        write_c_library(bert(), [8, L], target, copied)
    command = [*emulator, compile_program(target, copied), copied / WEIGHTS_FILE]
    done = subprocess.run([*command, "5", "6", "7"], check=True, capture_output=True, text=True)
    ids = np.zeros((1, L), np.int32)
    ids[0, :3] = 5, 6, 7
    expected = logits_of(bert(), ids, (ids > 0).astype(np.int32), np.zeros_like(ids))
    np.testing.assert_allclose(np.array(done.stdout.split(), np.float32)[None], expected, rtol=0, atol=1e-4)
    failed = subprocess.run([*command, str(VOCAB_SIZE)], capture_output=True, text=True)
    assert failed.returncode == BAD_ID and "within the vocabulary" in failed.stderr


def test_a_shorter_sentence_is_padded(library, create):
    _, model = create()
    ids, _, types = sentence(L)
    ones = (np.arange(L) < 9).astype(np.int32)
    padded = run(library, model, (ids * ones, ones, types * ones))
    assert padded[0] == OK
    np.testing.assert_array_equal(run(library, model, (ids, np.ones(9), types), length=9)[1], padded[1])


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [0, 1, 7, 8, 9, L])
def test_a_sentence_runs_at_the_least_length_that_holds_it(library, create, tokens):
    _, model = create()
    ids, _, types = sentence(L)
    mask = (np.arange(L) < tokens).astype(np.int32)[None]
    at_lengths = compile_lengths(bert(), [8, L], host_target()).run(ids, mask, types)
    status, logits = run(library, model, (ids, mask, types))
    assert status == OK
    np.testing.assert_allclose(logits, at_lengths, rtol=0, atol=1e-6)
    whole = compile_model(bert(), L, host_target()).run(ids, mask, types)
    np.testing.assert_allclose(logits, whole, rtol=0, atol=1e-5)


def test_token_types_may_be_left_out(library, create):
    _, model = create()
    ids, mask, types = sentence(L)
    np.testing.assert_array_equal(run(library, model, (ids, mask, None))[1], run(library, model, (ids, mask, types * 0))[1])


def test_models_run_side_by_side(library, create):
    models = [create(threads=2)[1] for _ in range(3)]
    inputs = [sentence(L, seed) for seed in range(3)]
    alone = [run(library, model, sample)[1] for model, sample in zip(models, inputs, strict=True)]
    together = [[] for _ in models]

    def repeat(index):
        for _ in range(50):
            together[index].append(run(library, models[index], inputs[index])[1])

    workers = [threading.Thread(target=repeat, args=(index,)) for index in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for results, expected in zip(together, alone, strict=True):
        assert len(results) == 50
        np.testing.assert_array_equal(np.concatenate(results), np.repeat(expected, 50, axis=0))


def changed(inputs, index, value):
    """The inputs with the last value of one of them changed."""
    arrays = [array.copy() for array in inputs]
    arrays[index][0, -1] = value
    return arrays


@pytest.mark.parametrize(
    ("index", "value", "status"),
    [(0, VOCAB_SIZE, BAD_ID), (0, -1, BAD_ID), (0, 2**31 - 1, BAD_ID), (1, 2, BAD_MASK), (1, -1, BAD_MASK), (2, 2, BAD_TYPE), (2, -1, BAD_TYPE)],
)
def test_values_out_of_range_are_refused(library, create, index, value, status):
    _, model = create()
    found, logits = run(library, model, changed(sentence(L), index, value))
    assert found == status and np.isnan(logits).all()


def test_null_pointers_are_refused(library, create, folder):
    _, model = create()
    ids, mask, types = sentence(L)
    assert run(library, None, (ids, mask, types))[0] == NULL_POINTER
    assert run(library, model, (None, mask, types))[0] == NULL_POINTER
    assert run(library, model, (ids, None, types))[0] == NULL_POINTER
    assert run(library, model, (ids, mask, types), logits=False)[0] == NULL_POINTER
    assert library.bertnas_create(None, 1, ctypes.byref(ctypes.c_void_p())) == NULL_POINTER
    assert library.bertnas_create(str(folder / WEIGHTS_FILE).encode(), 1, None) == NULL_POINTER
    library.bertnas_destroy(None)


@pytest.mark.parametrize("length", [0, -1, L + 1])
def test_a_length_out_of_range_is_refused(library, create, length):
    assert run(library, create()[1], sentence(L), length)[0] == BAD_LENGTH


@pytest.mark.parametrize("threads", [0, -1, 65])
def test_a_number_of_threads_out_of_range_is_refused(create, threads):
    status, model = create(threads=threads)
    assert status == BAD_THREADS and not model.value


def test_weights_that_are_not_the_models_are_refused(create, folder, tmp_path):
    whole = (folder / WEIGHTS_FILE).read_bytes()
    write_c_library(bert(seed=1), [L], host_target(), tmp_path / "other")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "short").write_bytes(whole[:-1])
    (tmp_path / "long").write_bytes(whole + b"\0")
    (tmp_path / "text").write_bytes(b"no weights at all" * 99)
    found = {name: create(tmp_path / name)[0] for name in ("nowhere", "empty", "short", "long", "text", "")}
    assert found == {"nowhere": MISSING, "empty": TRUNCATED, "short": TRUNCATED, "long": TRUNCATED, "text": OTHER_MODEL, "": MISSING}
    assert create(tmp_path / "other" / WEIGHTS_FILE)[0] == OTHER_MODEL


def test_nothing_but_the_interface_is_exported(folder):
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed: the package binutils")
    listed = subprocess.run(["nm", "-D", "--defined-only", folder / LIBRARY_FILE], check=True, capture_output=True, text=True).stdout
    assert {line.split()[-1] for line in listed.splitlines()} == {f"bertnas_{name}" for name in ("create", "run", "destroy", "message")}


def test_a_compiler_that_is_missing_is_named(tmp_path):
    with pytest.raises(RuntimeError, match="must name a C compiler that is installed, got 'no-such-compiler'"):
        write_c_library(bert(), [L], host_target(), tmp_path / "c", "no-such-compiler")
    assert list(tmp_path.iterdir()) == []


def test_what_the_compiler_says_is_passed_on(folder, tmp_path):
    from bertnas_jax.export.c_library import run_compiler

    with pytest.raises(RuntimeError, match="must compile the library.*nowhere.c"):
        run_compiler(["gcc", "nowhere.c", "-o", str(tmp_path / "program")])
