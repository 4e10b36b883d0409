import shutil

import pytest

from bertnas_jax.compiler import host_target


def test_the_host_is_named_for_llvm():
    target = host_target()
    assert target.kind.name == "llvm" and str(target.attrs["mcpu"])


def test_a_missing_linker_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="package g"):
        host_target()
