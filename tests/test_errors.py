import errno
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tvm import relax

from bertnas_jax.compiler import jaxpr_to_relax
from bertnas_jax.compiler.vector_math import VECTOR_MATH
from bertnas_jax.errors import USER_ERROR, explained
from bertnas_jax.space import Subnet


def test_our_own_message_is_shown_alone(capsys):
    with pytest.raises(SystemExit) as ended, explained():
        Subnet.uniform(1, 7, 2, 8)
    assert ended.value.code == USER_ERROR
    assert capsys.readouterr().err.startswith("error: heads must divide hidden, got heads=2, hidden=7")


def test_a_librarys_error_keeps_its_traceback():
    with pytest.raises(json.JSONDecodeError), explained():
        json.loads("{")


def test_our_message_is_shown_alone_though_it_passed_through_tvm(capsys):
    x = np.ones(4, np.float16)
    module = jaxpr_to_relax(jnp.exp, jax.ShapeDtypeStruct(x.shape, x.dtype), names=["x"])
    with pytest.raises(SystemExit), explained():
        relax.transform.LegalizeOps(VECTOR_MATH)(module)
    assert capsys.readouterr().err.startswith("error: exp must be of float32, got float16")


def test_a_full_disk_says_what_to_do(capsys):
    with pytest.raises(SystemExit), explained():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "free some and give the same command again" in capsys.readouterr().err


def test_a_file_that_may_not_be_written_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as end, explained():
        raise PermissionError(errno.EACCES, "Permission denied", "run/checkpoints")
    assert end.value.code == USER_ERROR
    message = capsys.readouterr().err
    assert message.startswith("error: files must be readable and writable, got [Errno 13] Permission denied: 'run/checkpoints'; allow it and")
    assert "what was written whole is kept" in message


def test_an_interruption_says_how_to_go_on(capsys):
    with pytest.raises(SystemExit) as ended, explained():
        raise KeyboardInterrupt
    assert ended.value.code == 130 and "the same command continues this run" in capsys.readouterr().err
