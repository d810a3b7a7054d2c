"""Counts what JAX compiles, for tests that a second call compiles nothing."""

import contextlib

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def count_compilations():
    """`with count_compilations() as compiled: ...` fills the list `compiled` with one entry for each program
    compiled."""
    compiled = []

    def listen(event, duration, **details):
        if event == _EVENT:
            compiled.append(details)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
