"""One contract for every generator of the registry: what it draws has the moments that it claims."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

from linnet import citations, tasks
from tests.tasks.registry import GENERATORS
from tests.tolerances import assert_close

NAMES = sorted(GENERATORS)
#: One of each kind, for what does not depend on the setting (every compilation takes a second).
KINDS = [
    "teacher",
    "tree, diffusion",
    "dynamics, inverse exponential",
    "dynamics, every step",
    "integration, mean",
    "noise, leaky",
]
SAMPLES = 20_000


@eqx.filter_jit
def batches(task, key, length=None):
    """Moments of 40 independent batches, stacked."""

    def one(key):
        return jtu.tree_leaves(filled(task.sample(SAMPLES // 40, key=key, length=length).moments()))

    return jax.vmap(one)(jr.split(key, 40))


def estimates(task, key, length=None):
    """Moments of a sample with their standard errors."""
    leaves = [np.asarray(leaf) for leaf in batches(task, key, length)]
    return [(np.mean(leaf, 0), np.std(leaf, 0, ddof=1) / np.sqrt(40)) for leaf in leaves]


def filled(moments):
    """The same moments with white inputs written out."""
    if isinstance(moments, tasks.Moments) or moments.xx is not None:
        return moments
    steps, size = moments.num_steps, moments.yx.shape[-1]
    xx = jnp.einsum("ts,ij->tsij", jnp.eye(steps), jnp.eye(size))
    return type(moments)(xx, moments.yx, moments.yy)


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_moments_of_the_population(name):
    task = GENERATORS[name]()
    compare(jtu.tree_leaves(filled(task.moments())), estimates(task, jr.key(11)), name)


@pytest.mark.parametrize(
    "name",
    ["dynamics, rotational", "dynamics, transition", "dynamics, every step", "integration, mean", "noise, leaky"],
)
def test_longer_samples_have_the_moments_at_their_length(name):
    task = GENERATORS[name]()
    length = task.num_steps + 2
    batch = task.sample(200, key=jr.key(5), length=length)
    assert batch.x.shape[1] == length
    compare(jtu.tree_leaves(filled(task.at_length(length).moments())), estimates(task, jr.key(12), length), name)


def compare(population, sampled, name):
    assert len(population) == len(sampled)
    for exact, (mean, error) in zip([np.asarray(leaf) for leaf in population], sampled):
        assert exact.shape == mean.shape
        # Some hundred entries, each with Student's t of 39 degrees of freedom, whose tails are heavier than a normal's:
        # six
        # standard errors. Rounding where the sample's moments are exact.
        bound = 6 * error + 1e-9
        worst = float(np.max(np.abs(exact - mean) / bound))
        assert worst < 1, f"{name}: a moment is {6 * worst:.1f} standard errors off."
        # The test can see an error of a tenth of the largest moment.
        assert np.max(bound) < 0.2 * np.max(np.abs(exact)) + 0.02


@pytest.mark.parametrize("name", KINDS)
def test_draw_gives_three_independent_parts(name):
    task = GENERATORS[name]()
    split = task.draw(60, key=jr.key(0))
    again = task.draw(60, key=jr.key(0))
    parts = [split.train, split.validation, split.test]
    assert all(part.num == 60 and part.x.dtype == jnp.float64 for part in parts)
    assert eqx.tree_equal(split, again), "The same key must give the same data."
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(parts[a].x, parts[b].x)
    assert type(split.moments().train) is type(task.moments())
    with pytest.raises(ValueError, match="at least 1 example"):
        task.draw(0, key=jr.key(0))


@pytest.mark.parametrize("name", KINDS)
def test_compiled_is_the_same_and_compiled_once(name):
    task = GENERATORS[name]()
    traces = 0

    @eqx.filter_jit
    def both(task, key):
        nonlocal traces
        traces += 1
        return task.sample(60, key=key), task.moments()

    batch, moments = both(task, jr.key(3))
    plain = task.sample(60, key=jr.key(3))
    assert_close(batch.x, plain.x, "exact")
    assert_close(batch.y, plain.y, "exact")
    for a, b in zip(jtu.tree_leaves(moments), jtu.tree_leaves(task.moments())):
        assert_close(a, b, "exact")
    changed = jtu.tree_map(lambda leaf: 1.01 * leaf if eqx.is_inexact_array(leaf) else leaf, task)
    both(changed, jr.key(4))
    assert traces == 1, "New values of the same shapes must not compile again."


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_of_tasks_is_each_of_them(name):
    task = GENERATORS[name]()
    arrays, static = eqx.partition(task, eqx.is_inexact_array)
    scaled = [jtu.tree_map(lambda leaf, s=s: s * leaf, arrays) for s in (1.0, 0.7)]
    stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *scaled)
    many = jax.vmap(lambda a: jtu.tree_leaves(eqx.combine(a, static).moments()))(stacked)
    for index, one in enumerate(scaled):
        for a, b in zip(many, jtu.tree_leaves(eqx.combine(one, static).moments())):
            assert_close(a[index], b, "exact")


@pytest.mark.parametrize("name", KINDS)
def test_float32_stays_float32(name):
    task = GENERATORS[name]()
    single = jtu.tree_map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, task)
    leaves = jtu.tree_leaves((single.sample(60, key=jr.key(0)), single.moments(), single.singular_modes()))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", NAMES)
def test_has_modes_a_source_and_a_description(name):
    task = GENERATORS[name]()
    modes = task.singular_modes()
    assert np.all(np.diff(np.asarray(modes.singular_values)) <= 1e-12)
    assert citations(task), f"{type(task).__name__} cites nothing."
    assert "Args:" in (type(task).__doc__ or "")


@pytest.mark.parametrize("name", ["teacher", "tree, diffusion", "dynamics, any"])
def test_tasks_without_other_lengths_say_so(name):
    with pytest.raises(ValueError, match="length|steps"):
        GENERATORS[name]().sample(10, key=jr.key(0), length=9)
