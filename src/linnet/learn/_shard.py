"""Members of an ensemble spread over the devices of this process."""

from typing import Any

import jax
import jax.tree_util as jtu
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

MEMBER = "member"


def member_mesh(num: int) -> Mesh | None:
    """A mesh over as many local devices as there is use for; `None` for one device."""
    devices = jax.local_devices()[:num]
    if len(devices) < 2:
        return None
    return jax.make_mesh((len(devices),), (MEMBER,), axis_types=(AxisType.Auto,), devices=devices)


def num_devices(mesh: Mesh | None) -> int:
    """How many devices a mesh has."""
    return 1 if mesh is None else int(mesh.size)


def spread(tree: Any, mesh: Mesh | None, over_members: bool) -> Any:
    """Puts the arrays of a tree on the devices: split along their first axis, or a copy on each."""
    if mesh is None:
        return tree
    sharding = NamedSharding(mesh, PartitionSpec(MEMBER) if over_members else PartitionSpec())
    return jtu.tree_map(
        lambda leaf: jax.device_put(leaf, sharding) if isinstance(leaf, (jax.Array, np.ndarray)) else leaf, tree
    )
