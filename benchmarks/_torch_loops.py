"""Recurrences in PyTorch as one token after the other; what can be done on all tokens at once stays outside.

Drives are made before the loop and states are read after it: of four writings that were timed this took the least.
Arrays are `"batch step *state"`.
"""

from typing import Any

try:
    import torch  # pyright: ignore[reportMissingImports]
except ImportError:  # the peers are skipped
    torch: Any = None


def elements(factors: Any, drives: Any) -> Any:
    """All states of `h = a * h + b`, element by element; `a` without an axis over steps is the same at all of them."""
    same = factors.ndim < drives.ndim
    state, states = torch.zeros_like(drives[:, 0]), []
    for drive, factor in zip(drives.unbind(1), [factors] * drives.shape[1] if same else factors.unbind(1)):
        state = torch.addcmul(drive, factor, state)
        states.append(state)
    return torch.stack(states, 1)


def diagonal_plus_low_rank(factors: Any, erase: Any, write: Any, drives: Any) -> Any:
    """All states of `h = a * h + w Re(e^T h) + b`, one of each pair of conjugate states.

    Args:
        factors, erase, write: `a`, `e` and `w`, "feature state".
        drives: `b`, "batch step feature state".
    """
    state, states = torch.zeros_like(drives[:, 0]), []
    for drive in drives.unbind(1):
        seen = (erase * state).sum(-1, keepdim=True).real
        state = torch.addcmul(torch.addcmul(drive, factors, state), write, seen)
        states.append(state)
    return torch.stack(states, 1)


def matrices(factors: Any, drives: Any) -> Any:
    """All states of `h = A h + b` for matrices of many heads or features.

    Args:
        factors: `A`, "batch step head out in", or "feature out in" where it is the same at all steps.
        drives: `b`, "batch step head in"; with the latter "step feature in batch".
    """
    states = []
    if factors.ndim == 3:
        state = torch.zeros_like(drives[0])
        for drive in drives.unbind(0):
            state = torch.baddbmm(drive, factors, state)
            states.append(state)
        return torch.stack(states)
    batch, num, heads, size = drives.shape
    blocks = factors.transpose(1, 2).reshape(batch * heads, num, size, size)
    columns = drives.transpose(1, 2).reshape(batch * heads, num, size, 1)
    state = None
    for block, drive in zip(blocks.unbind(1), columns.unbind(1)):
        state = drive if state is None else torch.baddbmm(drive, block, state)
        states.append(state)
    return torch.stack(states, 1).reshape(batch, heads, num, size).transpose(1, 2)


def outer_products(queries: Any, keys: Any, values: Any, factors: Any) -> Any:
    """What is read of `S = a S + k v^T` by queries.

    Args:
        queries, keys, values: "batch step head size".
        factors: `a` for each key or each head, "batch step head key" or "... 1"; `None` where nothing decays.
    """
    drives = keys[..., None] * values[..., None, :]
    state, states = torch.zeros_like(drives[:, 0]), []
    if factors is None:
        for drive in drives.unbind(1):
            state = state + drive
            states.append(state)
    else:
        for drive, factor in zip(drives.unbind(1), factors[..., None].unbind(1)):
            state = torch.addcmul(drive, factor, state)
            states.append(state)
    return (queries[..., None, :] @ torch.stack(states, 1)).squeeze(-2)


def _heads_first(*parts: Any) -> list[Any]:
    """ "batch step head ..." as "step (batch head) ..."."""
    return [part.transpose(0, 1).reshape(part.shape[1], -1, *part.shape[3:]) for part in parts]


def delta_rule(queries: Any, keys: Any, values: Any, betas: Any, factors: Any) -> Any:
    """What is read of `S = a S`, then `S = S + beta k (v - S^T k)^T` for each of a token's keys.

    Args:
        queries: "batch step head key", with their scale.
        keys, values, betas: "batch step head rank ...".
        factors: `a`, as for `outer_products`.
    """
    batch, num, heads, rank, _ = keys.shape
    rows, writes, drives = _heads_first(
        -(betas[..., None] * keys)[..., None, :], keys[..., None], (betas[..., None] * values)[..., None, :]
    )
    state, states = rows.new_zeros(rows.shape[1], keys.shape[-1], values.shape[-1]), []
    fades = [None] * num if factors is None else _heads_first(factors[..., None])[0].unbind(0)
    for fade, row, write, drive in zip(fades, rows.unbind(0), writes.unbind(0), drives.unbind(0)):
        state = state if fade is None else fade * state
        for r, w, d in zip(row.unbind(1), write.unbind(1), drive.unbind(1)):
            state = torch.baddbmm(state, w, torch.baddbmm(d, r, state))
        states.append(state)
    states = torch.stack(states).reshape(num, batch, heads, *state.shape[1:]).transpose(0, 1)
    return (queries[..., None, :] @ states).squeeze(-2)


def diagonal_plus_rank_one(queries: Any, keys: Any, values: Any, erase: Any, write: Any, factors: Any) -> Any:
    """What is read of `S = diag(a) S + w e^T S + k v^T`; all "batch step head size"."""
    batch, num, heads, _ = keys.shape
    drives, reads, writes, fades = _heads_first(
        keys[..., None] * values[..., None, :], erase[..., None, :], write[..., None], factors[..., None]
    )
    state, states = torch.zeros_like(drives[0]), []
    for drive, read, column, fade in zip(drives.unbind(0), reads.unbind(0), writes.unbind(0), fades.unbind(0)):
        state = torch.baddbmm(torch.addcmul(drive, fade, state), column, torch.bmm(read, state))
        states.append(state)
    states = torch.stack(states).reshape(num, batch, heads, *state.shape[1:]).transpose(0, 1)
    return (queries[..., None, :] @ states).squeeze(-2)
