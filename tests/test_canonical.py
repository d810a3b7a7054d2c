"""Functions made twice by one factory are one object; all others stay apart."""

import functools as ft

import jax.numpy as jnp
import optax

from linnet._canonical import canonical


def scaled(by):
    return lambda x: by * x


def test_the_same_factory_with_the_same_arguments_is_one_object():
    assert scaled(2.0) is not scaled(2.0) and canonical(scaled(2.0)) is canonical(scaled(2.0))
    assert canonical(optax.scale_by_adam(0.8)) is canonical(optax.scale_by_adam(0.8))
    chains = [optax.chain(optax.clip(1.0), optax.trace(0.9)) for _ in range(2)]
    assert canonical(chains[0]) is canonical(chains[1])
    assert canonical(ft.partial(scaled, by=1)) is canonical(ft.partial(scaled, by=1))
    assert canonical(scaled(jnp.ones(3))) is canonical(scaled(jnp.ones(3)))


def test_what_differs_stays_apart():
    others = [scaled(2.0), scaled(3.0), scaled(2), scaled(True), scaled(jnp.ones(3)), scaled(jnp.zeros(3))]
    others += [lambda x: 2.0 * x, optax.scale_by_adam(), optax.scale_by_adam(0.8), optax.trace(0.9), optax.trace(0.8)]
    assert len({id(canonical(other)) for other in others}) == len(others)


def test_what_cannot_be_compared_is_left_alone():
    def recursive(x):
        return recursive(x)

    for made in (scaled(jnp.ones(1000)), scaled({1, 2}), recursive):
        assert canonical(made) is made
