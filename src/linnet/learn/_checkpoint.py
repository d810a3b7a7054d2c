"""How a run hands out its state at the borders of its chunks, so that it can be killed and resumed."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Checkpointer(Protocol):
    """Keeps the state of one run; `linnet.store` implements it with files.

    A state is a tree of dictionaries and modules whose leaves are all arrays (of NumPy or JAX; no random keys). Its
    structure, shapes and dtypes stay the same throughout a run, so that a state can be written leaf by leaf and read
    into a template.
    """

    def load(self, template: Any) -> tuple[Any, int] | None:
        """The last state that was saved and the index saved with it.

        Args:
            template: a state of the same structure, shapes and dtypes.

        Returns:
            `None` if there is none, or if it is of another form: then the run begins anew.
        """
        ...

    def save(self, state: Any, index: int) -> None:
        """Keeps a state in place of the one before. A checkpointer may skip a call to save time.

        Args:
            state: the state; its arrays are reused afterwards, so they must be written or copied before returning.
            index: how far the run has come; ascending.
        """
        ...
