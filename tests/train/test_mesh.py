import jax
import pytest

from bertnas_jax.train.mesh import AXES, MeshConfig, make_mesh


@pytest.mark.parametrize(
    ("sizes", "devices", "shape"),
    [((-1, 1, 1), 8, (8, 1, 1)), ((2, -1, 2), 8, (2, 2, 2)), ((1, 1, -1), 8, (1, 1, 8)), ((2, 4, 1), 8, (2, 4, 1)), ((-1, 1, 1), 1, (1, 1, 1))],
)
def test_the_rest_goes_to_the_axis_of_minus_one(sizes, devices, shape):
    assert MeshConfig(*sizes).shape(devices) == shape


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((-1, 1, 3), r"mesh axis tensor must divide the 8 devices, got tensor=3; use one of \[1, 2, 4, 8\]"),
        ((4, 4, -1), r"mesh axis fsdp must divide the 8 devices \(2 for each position on the axes before it\), got fsdp=4; use one of \[1, 2\]"),
        ((2, 2, 1), "the mesh must have all 8 devices, got 4 from data=2, fsdp=2, tensor=1; give data=-1"),
    ],
)
def test_a_mesh_that_does_not_divide_names_the_axis_and_the_devices(sizes, message):
    with pytest.raises(ValueError, match=message):
        MeshConfig(*sizes).shape(8)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((-1, -1, 1), "at most one mesh axis must be -1"),
        ((1, 0, 1), "mesh axis fsdp must be positive or -1, got 0"),
        ((1, 1, -2), "tensor must be at least -1, got -2"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        MeshConfig(*sizes)


def test_the_default_is_every_device_on_data():
    mesh = make_mesh(MeshConfig())
    assert mesh.axis_names == AXES and mesh.devices.shape == (jax.device_count(), 1, 1)
