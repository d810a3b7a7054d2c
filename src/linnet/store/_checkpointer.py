"""The store's side of the small `Checkpointer` protocol by which `learn` hands out the state of a chunked loop."""

import io
from typing import Any, TypeVar

from ._run import CHECKPOINTS, RunFolder
from ._stage import SUFFIX, read_checkpoint, write_checkpoint

_State = TypeVar("_State")


class FolderCheckpointer:
    """Keeps the state of one loop in `ckpt/NAME.eqx` of a run folder.

    Args:
        run: the run, which must be locked by this process.
        name: the name of the loop, unique in the run.
    """

    def __init__(self, run: RunFolder, name: str):
        self._run = run
        self._name = name

    def load(self, template: _State) -> tuple[_State, int] | None:
        """The last state that was saved.

        Args:
            template: a state of the same structure, shapes and dtypes.

        Returns:
            The state and the index saved with it; `None` if there is none, or if it is of another form (as after a
            change of the code), and the loop must begin anew.
        """
        import equinox as eqx

        found = read_checkpoint(self._run, self._name)
        bare = _without_keys(template)
        if found is None or found[0].get("leaves") != _signature(bare):
            return None
        state = eqx.tree_deserialise_leaves(io.BytesIO(found[1]), bare)
        return _with_keys(state, template), int(found[0]["index"])

    def save(self, state: Any, index: int) -> None:
        """Keeps a state, in place of the one before.

        Args:
            state: a pytree of arrays and numbers.
            index: how far the loop has come.
        """
        import equinox as eqx

        bare, buffer = _without_keys(state), io.BytesIO()
        self._run.log(stage=self._name, chunk=int(index))
        eqx.tree_serialise_leaves(buffer, bare)
        write_checkpoint(self._run, self._name, {"index": int(index), "leaves": _signature(bare)}, buffer.getvalue())

    def remove(self) -> None:
        """Forgets the state, once the result of the whole loop is kept elsewhere."""
        (self._run.path / CHECKPOINTS / f"{self._name}{SUFFIX}").unlink(missing_ok=True)


def _is_key(leaf: Any) -> bool:
    import jax

    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(tree: Any) -> Any:
    # NumPy's format knows no random keys; their data is a plain array.
    import jax

    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _with_keys(tree: Any, template: Any) -> Any:
    import jax

    def restore(old: Any, new: Any) -> Any:
        return jax.random.wrap_key_data(new, impl=jax.random.key_impl(old)) if _is_key(old) else new

    return jax.tree.map(restore, template, tree)


def _signature(tree: Any) -> list[str]:
    import jax

    leaves = jax.tree.leaves(tree)
    return [f"{getattr(leaf, 'dtype', type(leaf).__name__)}{list(getattr(leaf, 'shape', ()))}" for leaf in leaves]
