"""Checkpoints come back bit for bit, or not at all; metrics are cut back to them; nothing is unpickled."""

import json

import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
import xarray as xr

from linnet import store


@pytest.fixture
def run(tmp_path):
    return store.begin(tmp_path, "x", "ab" * 32, "")


def state(seed):
    key = jr.key(seed)
    values = jr.normal(key, (3, 2), dtype=jnp.float64) * 1e-300
    return {
        "key": key,
        "weights": (values, values.astype(jnp.float32)),
        "step": jnp.int32(seed),
        "host": np.arange(3.0),
    }


def test_a_state_comes_back_bit_for_bit(run):
    checkpointer = store.FolderCheckpointer(run, "loop")
    assert checkpointer.load(state(0)) is None
    checkpointer.save(state(1), 3)
    checkpointer.save(state(2), 7)
    loaded = store.FolderCheckpointer(run, "loop").load(state(0))
    assert loaded is not None
    found, index = loaded
    assert index == 7
    assert jr.normal(found["key"]) == jr.normal(state(2)["key"])
    rest, expected = ({k: v for k, v in tree.items() if k != "key"} for tree in (found, state(2)))
    assert jtu.tree_all(jtu.tree_map(lambda a, b: a.dtype == b.dtype and np.array_equal(a, b), rest, expected))


def test_a_state_of_another_form_is_not_taken(run):
    checkpointer = store.FolderCheckpointer(run, "loop")
    checkpointer.save(state(1), 3)
    assert checkpointer.load(state(0) | {"host": np.arange(4.0)}) is None
    assert checkpointer.load(state(0) | {"host": np.arange(3)}) is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"garbage\nmore", None])
def test_a_damaged_checkpoint_is_not_taken(run, damage):
    checkpointer = store.FolderCheckpointer(run, "loop")
    checkpointer.save(state(1), 3)
    path = run.path / "ckpt" / "loop.eqx"
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    assert checkpointer.load(state(0)) is None


def dataset():
    return xr.Dataset(
        {"strengths": (("seed", "mode"), np.random.default_rng(0).normal(size=(2, 3))), "count": ((), np.int64(4))},
        {"mode": np.array(["first", "zwöl", "ü"]), "time": ("seed", np.array([np.nan, 1.0], np.float32))},
        {"theory": "DeepLinearModes", "eta": 0.1},
    )


def test_a_stage_is_computed_once_and_read_back_identical(run):
    calls = []

    def compute():
        calls.append(1)
        return dataset()

    first = store.stage(run, "predict", compute)
    second = store.stage(run, "predict", compute)
    assert len(calls) == 1
    xr.testing.assert_identical(first, second)
    xr.testing.assert_identical(first, dataset())
    assert first["strengths"].dtype == np.float64 and first["time"].dtype == np.float32


def test_objects_are_stored_as_text_and_never_pickled(run):
    first = store.stage(run, "names", lambda: xr.Dataset({"names": ("x", np.array(["a", "bc"], object))}))
    assert first["names"].dtype.kind == "U"
    assert b"pickle" not in (run.path / "ckpt" / "names.eqx").read_bytes()


def test_metrics_are_cut_back_to_the_last_checkpoint(run):
    run.log(stage="one", value=1.5)
    store.stage(run, "one", dataset)
    run.log(stage="two", chunk=1)
    store.FolderCheckpointer(run, "two").save(state(0), 1)
    kept = (run.path / "metrics.jsonl").read_text()
    run.log(stage="two", chunk=2)
    store.cut_metrics(run)
    assert (run.path / "metrics.jsonl").read_text() == kept
    assert [json.loads(line).get("chunk") for line in kept.splitlines()] == [None, 1, 1]


def test_data_comes_back(run):
    tree = xr.DataTree.from_dict({"/task": dataset(), "/networks/deep/simulation": dataset()})
    with pytest.raises(store.StoreError, match="no data.nc"):
        store.read_data(run)
    store.write_data(run, tree)
    back = store.read_data(run)
    assert set(back.groups) == {"/", "/task", "/networks", "/networks/deep", "/networks/deep/simulation"}
    assert np.array_equal(back["/task"].dataset["strengths"].values, dataset()["strengths"].values)
    (run.path / "data.nc").write_bytes(b"nothing")
    with pytest.raises(store.StoreError, match="cannot be read"):
        store.read_data(run)
