import shutil

import pytest

from tvm.target import codegen

from bertnas_jax.compiler import host_target
from bertnas_jax.compiler.targets import ANDROID_ARM64, ANDROID_ARM64_PLAIN, c_compiler, named_target


def test_the_host_is_named_for_llvm():
    target = host_target()
    assert target.kind.name == "llvm" and str(target.attrs["mcpu"])


def test_a_missing_linker_names_its_package(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match="package g"):
        host_target()


@pytest.mark.parametrize(("name", "has_dot"), [(ANDROID_ARM64, True), (ANDROID_ARM64_PLAIN, False)])
def test_the_arm64_targets_differ_in_dot_products(name, has_dot):
    target = named_target(name)
    assert codegen.target_has_features("neon", target)
    assert codegen.target_has_features("dotprod", target) == has_dot


def test_an_unknown_target_is_refused():
    with pytest.raises(ValueError, match="must be one of host, android-arm64, .*got 'ios'"):
        named_target("ios")


@pytest.mark.parametrize(("name", "package"), [("host", "gcc"), (ANDROID_ARM64, "gcc-aarch64-linux-gnu")])
def test_a_missing_compiler_names_its_package(name, package, monkeypatch):
    target = named_target(name)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=f"install the package {package}$"):
        c_compiler(target)
