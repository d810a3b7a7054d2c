"""How XLA makes loops of small programs on CPUs."""

import importlib.metadata
import os

#: The releases in which it was tried: XLA ends a process at a flag that it does not know.
_TRIED = "0.10."
_FLAG = "--xla_cpu_use_fusion_emitters"


def prefer_quick_loops() -> bool:
    """Asks XLA for its older code of fused loops on CPUs, before JAX is first used in this process.

    Programs compile in half to two thirds of the time (jaxlib 0.10.2), and commands of linnet, most of whose time that
    is, take 0.8 to 0.9 of it. What they then run is faster on one core (training steps of linear attention and TNL in
    half of the time) and of either kind on two, over which the newer code spreads its loops: 0.8 of the time for RWKV-7
    and HGRN2, 1.2 for LRU and HGRN. The command line does this by itself; it concerns all of a process, so that the
    library leaves it to you. What you have said about it in `XLA_FLAGS` stays.

    Returns:
        Whether XLA will be asked: this is a release in which it was tried. Nothing tells whether JAX was used already,
        and it is too late then.

    !!! example
        ```python
        import linnet as ln

        ln.prefer_quick_loops()  # before the first computation
        ```
    """
    if not importlib.metadata.version("jaxlib").startswith(_TRIED):
        return False
    flags = os.environ.get("XLA_FLAGS", "")
    if _FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}=false".strip()
    return True
