import os

from bertnas_jax.compiler.quiet import without_scope_messages


def test_only_the_scope_messages_are_held_back(capfd):
    with without_scope_messages():
        os.write(2, b"[10:43:09] /project/src/runtime/vm/executable.cc:340: Warning: Scope Loaded:\n")
        os.write(2, b"[10:43:09] /project/src/other.cc:1: Warning: something that matters\n")
    assert capfd.readouterr().err == "[10:43:09] /project/src/other.cc:1: Warning: something that matters\n"
