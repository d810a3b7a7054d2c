"""The naive chunked references of flash-linear-attention, plain PyTorch, in the form that the layers here call.

The rest of that library needs a GPU. There is no such reference for decays of each key (GLA, HGRN-2, LightNet: only a
token loop), that of HGRN takes sequences of one chunk only, and layers outside that library have none.
"""

import importlib
import warnings
from collections.abc import Callable
from typing import Any

from ._torch_parts import torch

_FOUND: dict[str, Any] = {}


def missing() -> str:
    """Why the references cannot be called, if they cannot."""
    try:
        _reference("simple_gla", "naive_chunk_simple_gla")
    except (ImportError, RuntimeError, AttributeError) as error:
        return f"flash-linear-attention's references cannot be imported: {str(error).splitlines()[0]}"
    return ""


def _reference(room: str, name: str) -> Callable[..., Any]:
    if name not in _FOUND:
        with warnings.catch_warnings():
            # It says at import that there is no GPU.
            warnings.simplefilter("ignore")
            _FOUND[name] = getattr(importlib.import_module(f"fla.ops.{room}.naive"), name)
    return _FOUND[name]


def _run(reference: Callable[..., Any], *parts: Any, **options: Any) -> Any:
    """In float32, as the references compute, and back."""
    found = reference(*(part.float() for part in parts), **options)
    return (found[0] if isinstance(found, tuple) else found).to(parts[0].dtype)


def linear_attention(queries: Any, keys: Any, values: Any, logs: None) -> Any:
    return _run(_reference("linear_attn", "naive_chunk_linear_attn"), queries, keys, values, scale=1.0)


def head_decay(queries: Any, keys: Any, values: Any, logs: Any) -> Any:
    return _run(_reference("simple_gla", "naive_chunk_simple_gla"), queries, keys, values, logs[..., 0], scale=1.0)


def delta_rule(queries: Any, keys: Any, values: Any, betas: Any, logs: Any) -> Any:
    """Without a decay, with one for each head, or with one for each key; ranks as a longer sequence."""
    rank = keys.shape[3]
    if rank > 1:
        # All corrections of a token are tokens: it fades before the first and is read after the last.
        blank = torch.zeros_like(queries)[:, :, None], torch.zeros_like(logs)[:, :, None]
        queries = torch.cat([*[blank[0]] * (rank - 1), queries[:, :, None]], 2).flatten(1, 2)
        logs = torch.cat([logs[:, :, None], *[blank[1]] * (rank - 1)], 2).flatten(1, 2)
    keys, values, betas = (part.transpose(2, 3).flatten(1, 2) for part in (keys, values, betas))
    if logs is None:
        parts = (part.transpose(1, 2) for part in (queries * keys.shape[-1] ** 0.5, keys, values, betas))
        return _run(_reference("delta_rule", "delta_rule_chunkwise"), *parts).transpose(1, 2)
    if logs.shape[-1] == 1:
        reference = _reference("gated_delta_rule", "naive_chunk_gated_delta_rule")
        return _run(reference, queries, keys, values, logs[..., 0], betas, scale=1.0)[:, rank - 1 :: rank]
    return _run(_reference("kda", "naive_chunk_kda"), queries, keys, values, logs, betas, scale=1.0)


def diagonal_plus_rank_one(queries: Any, keys: Any, values: Any, erase: Any, write: Any, logs: Any) -> Any:
    queries = queries * keys.shape[-1] ** 0.5
    parts = (part.transpose(1, 2) for part in (queries, keys, values, erase, write, logs))
    return _run(_reference("generalized_delta_rule.dplr", "dplr_chunkwise"), *parts).transpose(1, 2)
