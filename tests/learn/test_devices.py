"""An ensemble spread over devices, each in a process of its own with that many devices."""

import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys
import jax
jax.config.update("jax_enable_x64", True)
import jax.numpy as jnp, jax.random as jr, numpy as np
import linnet as ln
task = ln.tasks.Moments(xx=np.eye(3), yx=np.array([[3.0, 0.5, 0], [0, 2, 1]]), yy=10 * np.eye(2))
batch = ln.tasks.Batch(np.linspace(-1, 1, 30).reshape(10, 3), np.linspace(1, 2, 20).reshape(10, 2) ** 2)

def make(key, rate):
    first, second = jr.split(key)
    net = ln.nn.DeepLinear((0.3 * jr.normal(first, (4, 3)), 0.3 * jr.normal(second, (2, 4))))
    return net, batch, ln.learn.Descent(rate, batch_size=3)

def flow(key):
    return make(key, 0.1)[0], task, ln.learn.GradientFlow()

ts, axes = np.linspace(0, 1, 6), {"seed": 5, "rate": [0.01, 0.05]}
own = ln.learn.ensemble(make, ts, axes, key=jr.key(0), members_per_chunk=2)
flows = ln.learn.ensemble(flow, ts, {"seed": 5}, key=jr.key(1))
assert len(jax.devices()) == int(sys.argv[2])
np.savez(sys.argv[1], loss=own["loss"], ts=own.ts, weights=own.network.weights[0], flow=flows["mode_strengths"])
"""


def run(devices, path):
    """The script's arrays on a number of devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", SCRIPT, str(path), str(devices)], env=environment, check=True, timeout=280)
    return dict(np.load(path))


@pytest.mark.slow
def test_on_any_number_of_devices_the_numbers_are_the_same(tmp_path):
    one = run(1, tmp_path / "1.npz")
    assert one["loss"].shape == (5, 2, 6) and one["flow"].shape == (5, 6, 2)
    for devices in (2, 4):
        many = run(devices, tmp_path / f"{devices}.npz")
        for name, value in one.items():
            np.testing.assert_allclose(many[name], value, rtol=1e-9, atol=1e-12, err_msg=f"{name} on {devices}")
