"""Sequence layers as linear systems that change with the tokens: states, outputs, and what maps inputs to outputs."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from .._cite import cite


@cite("sieber2024understanding")
class DynamicalForm(eqx.Module):
    r"""A layer on one sequence, head by head, in the common form

    $$h_i = \Lambda_i h_{i-1} + B_i u_i, \qquad y_i = C_i h_i + D_i u_i,$$

    where all four may depend on the tokens, but not on the state. The state of a head is a matrix whose columns all
    go the same way: layers with a memory of keys and values have one column for each value, others one column. Complex
    states are read as $\mathrm{Re}(C_i h_i)$.

    Two layers of other coordinates are compared by what does not depend on them, the map of inputs to outputs,
    $C_i \Lambda_i \cdots \Lambda_{j+1} B_j$: `mixing`.

    Args:
        transition: $\Lambda$, its diagonal `"step head key"` or the whole `"step head key key"`.
        write: $B$, `"step head key rank"`; `None` for the identity.
        inputs: $u$, `"step head rank value"`.
        read: $C$, `"step head out key"`; `None` for the identity: then the layer does something to its states that is
            not linear, and the form ends there.
        start: $h_0$, `"head key value"`.
        through: $D_i u_i$, `"step out"`, where outputs of the layer are sums over heads; else `None`.
    """

    transition: Inexact[Array, "step head key *key_"]
    write: Inexact[Array, "step head key rank"] | None
    inputs: Inexact[Array, "step head rank value"]
    read: Inexact[Array, "step head out key"] | None
    start: Inexact[Array, "head key value"]
    through: Float[Array, "step out"] | None = None

    @property
    def is_diagonal(self) -> bool:
        """Whether only the diagonal of the transitions is kept."""
        return self.transition.ndim == 3

    def matrices(self) -> Inexact[Array, "step head key key"]:
        r"""The transitions $\Lambda_i$ as matrices."""
        return self.transition[..., None] * jnp.eye(self.transition.shape[2]) if self.is_diagonal else self.transition

    def drives(self) -> Inexact[Array, "step head key value"]:
        """What is written, $B_i u_i$."""
        return self.inputs if self.write is None else self.write @ self.inputs

    def states(self) -> Inexact[Array, "step head key value"]:
        """All states $h_i$."""

        def advance(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
            state = _apply(now[0], state) + now[1]
            return state, state

        drives = self.drives()
        dtype = jnp.result_type(self.transition, drives, self.start)
        return jax.lax.scan(advance, self.start.astype(dtype), (self.transition, drives.astype(dtype)))[1]

    def outputs(self) -> Inexact[Array, "step head out value"]:
        r"""$C_i h_i$, head by head (with `read` of `None` the states)."""
        states = self.states()
        return states if self.read is None else _real(self.read @ states)

    def mixing(self) -> Inexact[Array, "head step out step_ rank"]:
        r"""$M_{ij} = C_i \Lambda_i \cdots \Lambda_{j+1} B_j$ for $j \le i$, else 0: outputs are $\sum_j M_{ij} u_j$
        where the state begins at 0; their real part where inputs are complex, and $M$ with them."""
        num, heads, size = self.transition.shape[:3]
        write = jnp.broadcast_to(jnp.eye(size), (num, heads, size, size)) if self.write is None else self.write
        read = jnp.broadcast_to(jnp.eye(size), (num, heads, size, size)) if self.read is None else self.read
        dtype = jnp.result_type(self.transition, write)

        def advance(passed: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
            number, transition, write, read = now
            passed = jax.vmap(lambda part: _apply(transition, part))(passed).at[number].set(write.astype(dtype))
            return passed, jnp.einsum("hok,jhkr->hojr", read, passed)

        nothing = jnp.zeros((num, heads, size, write.shape[-1]), dtype)
        found = jax.lax.scan(advance, nothing, (jnp.arange(num), self.transition, write, read))[1]
        found = found if self.read is None or jnp.iscomplexobj(self.inputs) else _real(found)
        return jnp.moveaxis(found, 0, 1)

    def eigenvalues(self) -> Inexact[np.ndarray, "step head key"]:
        r"""The eigenvalues of each $\Lambda_i$, by falling modulus."""
        found = self.transition if self.is_diagonal else np.linalg.eigvals(np.asarray(self.transition))
        found = np.asarray(found)
        return np.take_along_axis(found, np.argsort(-np.abs(found), axis=-1, kind="stable"), axis=-1)


def effective_eigenvalues(form: DynamicalForm) -> Inexact[np.ndarray, "step head key"]:
    r"""The eigenvalues of the products $\Lambda_i \cdots \Lambda_1$, by falling modulus: what is left at step $i$ of
    the state before the first.

    The root of degree $i$ of their moduli is how much of it one step has kept on average; a product of transitions with
    eigenvalues between 0 and 1 may have others where these do not commute.

    Args:
        form: of a layer on a sequence.

    Returns:
        The eigenvalues, `"step head key"`; step 0 is the first transition alone.
    """
    transition = np.asarray(form.transition)
    if form.is_diagonal:
        products = np.cumprod(transition, axis=0)
    else:
        total, parts = np.eye(transition.shape[-1]), []
        for step in transition:
            total = step @ total
            parts.append(total)
        products = np.linalg.eigvals(np.stack(parts))
    return np.take_along_axis(products, np.argsort(-np.abs(products), axis=-1, kind="stable"), axis=-1)


@cite("sieber2024understanding")
def normalised_form(form: DynamicalForm, divisors: Float[Array, "step head"] | None = None) -> DynamicalForm:
    r"""The form whose outputs are divided by $\eta_i$, the division being part of the recurrence:

    $$\Lambda_i' = \frac{\eta_{i-1}}{\eta_i} \Lambda_i, \qquad B_i' = B_i / \eta_i.$$

    So normalised linear attention is a system with a gate: what came before is weakened by what comes.

    Args:
        form: with a state that begins at 0, or $\eta_0 = 1$.
        divisors: $\eta$. By default the last column of the outputs, which linear attention and the mLSTM write with an
            input of 1, and which is left out of the result.

    Raises:
        ValueError: if there are no divisors and the form has no column beside another.
    """
    inputs, start = form.inputs, form.start
    if divisors is None:
        if form.read is None or inputs.shape[-1] < 2:
            raise ValueError(
                "normalised_form needs divisors, or a form with a normaliser as its last column, got one with "
                f"{inputs.shape[-1]} columns."
            )
        divisors = form.outputs()[:, :, 0, -1]
        inputs, start = inputs[..., :-1], start[..., :-1]
    before = jnp.concatenate([jnp.ones_like(divisors[:1]), divisors[:-1]])
    ratio = (before / divisors)[..., None]
    write = jnp.broadcast_to(jnp.eye(inputs.shape[2]), (*inputs.shape[:3], inputs.shape[2]))
    write = (write if form.write is None else form.write) / divisors[..., None, None]
    transition = form.transition * (ratio if form.is_diagonal else ratio[..., None])
    return DynamicalForm(transition, write, inputs, form.read, start, form.through)


def form_difference(first: DynamicalForm, second: DynamicalForm) -> Float[Array, ""]:
    r"""$\lVert M - M' \rVert_F / \lVert M' \rVert_F$ of two forms: how far what they make of the same inputs is apart,
    whatever the coordinates of their states.

    Args:
        first: $M$ is its `mixing`.
        second: $M'$ is its `mixing`, of the same shape.

    Raises:
        ValueError: if steps, heads, outputs or inputs of the two are not as many.
    """
    one, other = first.mixing(), second.mixing()
    if one.shape != other.shape:
        raise ValueError(
            f"form_difference needs two forms of the same heads, steps, outputs and inputs, got maps of shape "
            f"{one.shape} and {other.shape}."
        )
    return jnp.sqrt(jnp.sum(jnp.abs(one - other) ** 2) / jnp.sum(jnp.abs(other) ** 2))


def _apply(transition: Array, state: Array) -> Array:
    """One step of all heads: diagonals `"head key"`, or matrices."""
    return transition[..., None] * state if transition.ndim == 2 else transition @ state


def _real(array: Any) -> Array:
    return array.real if jnp.iscomplexobj(array) else array
