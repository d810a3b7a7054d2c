"""Recurrences over devices along time: on 2 and 4 devices, over batch and time, and on 2 processes."""

import os
import socket
import subprocess
import sys

import pytest

#: Everything that is compared; `devices` and `mesh_of` are given before it.
CHECKS = """
import equinox as eqx, jax, jax.numpy as jnp, jax.tree_util as jtu, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
from linnet import scan

rng = np.random.default_rng(0)
num, size = 24, 3

def arrays(*shape):
    return jnp.asarray(rng.normal(size=shape))

unit = arrays(num, 2, size)
unit = unit / jnp.linalg.norm(unit, axis=-1, keepdims=True)
gates = jnp.tanh(arrays(num, size))
TRANSITIONS = {
    "identity": scan.Identity(),
    "constant": scan.Scalar(jnp.asarray(-0.9)),
    "scalar": scan.Scalar(gates[:, 0]),
    "diagonal": scan.Diagonal(gates),
    "logarithms": scan.Diagonal(log=-gates**2, sign=jnp.sign(gates)),
    "poles": scan.Diagonal(jnp.asarray([0.9, -0.5, 0.7j]), invariant=True),
    "block": scan.Block(arrays(num, 1, size, size) / 2),
    "dense": scan.Dense(arrays(num, size, size) / 2),
    "low rank": scan.LowRank(-unit, unit, -gates[:, 0] ** 2),
    "max plus": scan.MaxPlus(-gates**2),
    "log sum exp": scan.LogSumExp(-gates[:, 0] ** 2),
}
ATTENDED = ("identity", "constant", "scalar", "logarithms", "low rank")
q, k, v, kk, vv = arrays(num, size), arrays(num, size), arrays(num, 2), arrays(num, 2, size), arrays(num, 2, 2)
resets = jnp.zeros(num, bool).at[jnp.asarray([5, 12, 13])].set(True)

def problems(names):
    for name, transition in TRANSITIONS.items():
        if name not in names:
            continue
        block = name == "block"
        drives, start = arrays(num, 1, size) if block else arrays(num, size), arrays(1, size) if block else arrays(size)
        for cut in (None, resets):
            if name != "low rank" or cut is None:
                yield name, transition, (drives,), start, cut, scan.recur, scan.sharded_recur
            if name in ATTENDED:
                keys, values = (kk, vv) if name == "low rank" else (k, v)
                yield name, transition, (q, keys, values), arrays(size, 2), cut, scan.attend, scan.sharded_attend

def check(mesh, names, gradients=True):
    cases = list(problems(names))
    floats = [eqx.partition((t, parts, start), eqx.is_inexact_array) for _, t, parts, start, *_ in cases]

    def run(floats_of, sharded):
        out = []
        for one, (_, rest), (*_, cut, verb, over) in zip(floats_of, floats, cases):
            transition, parts, start = eqx.combine(one, rest)
            options = {"mesh": mesh} if sharded else {}
            out.append((over if sharded else verb)(transition, *parts, start, resets=cut, **options))
        return out

    def objective(floats_of, sharded):
        found = run(floats_of, sharded)
        return sum(jnp.sum(jnp.sin(states.real)) + jnp.sum(jnp.cos(last).real) for states, last in found)

    given = [one for one, _ in floats]
    sides = [jax.jit(run, static_argnums=1)(given, sharded) for sharded in (False, True)]
    if gradients:
        grad = jax.jit(jax.grad(objective), static_argnums=1)
        for side, sharded in zip(sides, (False, True)):
            side.extend(grad(given, sharded))
    for number, (one, many) in enumerate(zip(*sides, strict=True)):
        for alone, other in zip(jtu.tree_leaves(one), jtu.tree_leaves(many), strict=True):
            label = f"{cases[number % len(cases)][0]}, {'gradient' if number >= len(cases) else 'value'}"
            np.testing.assert_allclose(read(other), read(alone), rtol=1e-9, atol=1e-11, err_msg=label)
    return sides[1]
"""

DEVICES = (
    """
import sys
import jax
jax.config.update("jax_enable_x64", True)
read = lambda array: array
"""
    + CHECKS
    + """
count, names = int(sys.argv[1]), sys.argv[2].split(",")
assert len(jax.devices()) == count
mesh = jax.make_mesh((count,), ("time",))
states = check(mesh, names)[0][0]
assert states.sharding.is_equivalent_to(NamedSharding(mesh, P("time")), states.ndim), states.sharding

# A batch too: over the other axis of the mesh.
if "diagonal" in names and count == 4:
    both = jax.make_mesh((2, 2), ("batch", "time"))
    a, b, s = jnp.tanh(arrays(4, num, size)), arrays(4, num, size), arrays(4, size)

    def run(a, b, s):
        one = lambda a, b, s: scan.sharded_recur(scan.Diagonal(a), b, s, mesh=both)
        return jax.vmap(one, spmd_axis_name="batch")(a, b, s)

    def alone(a, b, s):
        return jax.vmap(lambda a, b, s: scan.recur(scan.Diagonal(a), b, s))(a, b, s)

    put = lambda array, spec: jax.device_put(array, NamedSharding(both, spec))
    given = put(a, P("batch", "time")), put(b, P("batch", "time")), put(s, P("batch"))
    for found, wanted in zip(jax.jit(run)(*given), jax.jit(alone)(a, b, s)):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)
    states = jax.jit(run)(*given)[0]
    assert states.sharding.is_equivalent_to(NamedSharding(both, P("batch", "time")), 3), states.sharding
    slope = lambda f: jax.jit(jax.grad(lambda *args: jnp.sum(f(*args)[0] ** 2), (0, 1, 2)))
    gradients = slope(run)(*given), slope(alone)(a, b, s)
    for found, wanted in zip(*gradients):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)

for call, sentence in (
    *(
        [(lambda: scan.sharded_recur(scan.Identity(), jnp.ones((25, 2)), mesh=mesh), "devices can share, got 25")]
        if count > 1
        else []
    ),
    (lambda: scan.sharded_recur(scan.Identity(), jnp.ones((24, 2)), mesh=mesh, axis="batch"), "needs an axis 'batch'"),
    (lambda: scan.sharded_recur(scan.Identity(), jnp.ones((0, 2)), mesh=mesh), "devices can share, got 0"),
):
    try:
        call()
    except ValueError as error:
        assert sentence in str(error), error
    else:
        raise AssertionError(sentence)
print("all the same")
"""
)

PROCESSES = (
    """
import sys
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_collectives_implementation", "gloo")
address, process = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(address, num_processes=2, process_id=process)
from jax.experimental import multihost_utils
import numpy as np
assert jax.process_count() == 2 and len(jax.devices()) == 4 and len(jax.local_devices()) == 2

def read(array):
    # Every process holds a part of what is sharded, and all of what it has computed by itself.
    return array if array.is_fully_addressable else multihost_utils.process_allgather(array, tiled=True)
"""
    + CHECKS
    + """
mesh = jax.make_mesh((4,), ("time",))
check(mesh, ("scalar", "log sum exp"))
print("all the same")
"""
)


def environment(devices):
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def run(devices, names):
    command = [sys.executable, "-c", DEVICES, str(devices), names]
    done = subprocess.run(command, env=environment(devices), capture_output=True, text=True, timeout=900)
    assert "all the same" in done.stdout, done.stderr[-4000:]


def test_on_two_devices_it_is_the_same_recurrence():
    run(2, "diagonal,scalar")


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize(
    "names",
    ["diagonal,scalar", "identity,constant", "logarithms,poles", "block,dense", "low rank", "max plus,log sum exp"],
)
def test_on_any_number_of_devices_it_is_the_same_recurrence(names, devices):
    run(devices, names)


@pytest.mark.slow
def test_on_two_processes_it_is_the_same_recurrence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-c", PROCESSES, address]
    options = {"env": environment(2), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen([*command, str(process)], **options) for process in range(2)]
    try:
        outputs = [process.communicate(timeout=900)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    assert all("all the same" in output for output in outputs), "\n\n".join(output[-3000:] for output in outputs)
