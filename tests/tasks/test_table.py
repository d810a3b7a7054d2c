"""Tables as tasks: against NumPy on the whole file, for any cut into chunks."""

import gzip

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

import linnet as ln
from linnet.tasks import Centre, FileTask, Fractions, Standardise, Whiten, from_table
from linnet.tasks._parts import as_fractions
from linnet.tasks._running import Reservoir, RunningMoments


def make_frame(rows, seed=0):
    """Numbers with a large offset, a constant, a category that first shows up late, and two targets."""
    rng = np.random.default_rng(seed)
    colour = np.where(np.arange(rows) < 0.7 * rows, "red", rng.choice(["red", "green", "blue"], rows))
    frame = pd.DataFrame(
        {
            "offset": 1e6 + rng.normal(size=rows),
            "small": 1e-4 * rng.normal(size=rows),
            "constant": 3.5,
            "colour": colour,
            "flag": rng.random(rows) < 0.3,
        }
    )
    frame["price"] = frame["offset"] - 1e6 + rng.normal(size=rows)
    frame["species"] = rng.choice(["setosa", "virginica", "versicolor"], rows)
    return frame


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: frame[name].to_numpy(str if frame[name].dtype == "str" else None) for name in frame})
    else:
        frame.to_csv(path, index=False)
    return path


def by_hand(frame, task, inputs):
    """The raw samples of each part in the task's columns, by pandas, in file order."""
    encoded = pd.get_dummies(frame[inputs].astype({"flag": float}), columns=["colour"], prefix_sep="=", dtype=float)
    part = task_parts(len(frame))
    return [encoded[list(task.column_names)].to_numpy()[part == which] for which in range(3)]


def task_parts(rows, seed=0):
    return Fractions().assign(np.arange(rows), seed)


INPUTS = ["offset", "small", "constant", "colour", "flag"]


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_moments_and_samples_are_numpys(tmp_path, ending):
    frame = make_frame(997)
    path = write(frame, tmp_path / f"data{ending}")
    task = from_table(path, ["price", "species"], columns=INPUTS, chunk_size=64)
    assert (
        task.column_names
        == task.input_names
        == ("offset", "small", "colour=blue", "colour=green", "colour=red", "flag")
    )
    assert task.output_names == ("price", "species=setosa", "species=versicolor", "species=virginica")
    raw = by_hand(frame, task, INPUTS)
    y_all = np.column_stack([frame["price"], *(frame["species"] == s for s in ("setosa", "versicolor", "virginica"))])
    part = task_parts(len(frame))
    mean, deviation = raw[0].mean(0), raw[0].std(0)
    y_mean = y_all[part == 0].mean(0)
    y_scale = np.array([1 / y_all[part == 0, 0].std(), 1, 1, 1])
    split, moments = task.draw(), task.split_moments()
    for which, name in enumerate(("train", "validation", "test")):
        x, y = (raw[which] - mean) / deviation, (y_all[part == which] - y_mean) * y_scale
        batch, known = getattr(split, name), getattr(moments, name)
        # The offset of 1e6 costs six digits in a single pass that does not centre; the merge must not lose them.
        np.testing.assert_allclose(batch.x, x, atol=1e-8)
        np.testing.assert_allclose(batch.y, y, atol=1e-12)
        np.testing.assert_allclose(known.xx, x.T @ x / len(x), atol=1e-9)
        np.testing.assert_allclose(known.yx, y.T @ x / len(x), atol=1e-9)
        np.testing.assert_allclose(known.yy, y.T @ y / len(x), atol=1e-11)
    np.testing.assert_allclose(split.x_mean, mean, rtol=1e-12)
    assert task.report.parts == task.report.kept == tuple(int(np.sum(part == which)) for which in range(3))
    assert task.moments() is task.split_moments().train
    assert dict(task.report.dropped_columns) == {"constant": "it is constant"}


def test_any_chunk_size_gives_the_same(tmp_path):
    path = write(make_frame(2000), tmp_path / "data.csv")
    tasks = [from_table(path, "price", columns=INPUTS, chunk_size=size) for size in (37, 1000, 10**6)]
    for other in tasks[1:]:
        assert other.column_names == tasks[0].column_names
        np.testing.assert_allclose(other.moments().xx, tasks[0].moments().xx, atol=1e-10)
        np.testing.assert_allclose(other.moments().yx, tasks[0].moments().yx, atol=1e-10)
        np.testing.assert_allclose(other.draw().test.x, tasks[0].draw().test.x, atol=1e-8)


def test_a_file_of_many_blocks_is_read_whole(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60_000, 4))
    path = write(pd.DataFrame(values, columns=list("abcd")), tmp_path / "data.csv")
    assert path.stat().st_size > 3 * 2**20  # several blocks of Arrow's reader
    task = from_table(path, "d", scale=Centre(), chunk_size=10_000)
    mine = values[task_parts(60_000) == 0]
    np.testing.assert_allclose(task.moments().xx, np.cov(mine[:, :3].T, bias=True), atol=1e-12)
    assert task.report.rows == 60_000


def test_standardised_and_whitened_moments(tmp_path):
    path = write(make_frame(2000), tmp_path / "data.csv")
    standard = from_table(path, "price", columns=INPUTS)
    np.testing.assert_allclose(np.diagonal(standard.moments().xx), 1, rtol=1e-9)
    np.testing.assert_allclose(standard.moments().yy, 1, rtol=1e-9)
    white = from_table(path, "price", columns=INPUTS, scale=Whiten())
    # Three one-hot colours sum to one: one direction has no variance.
    assert len(white.input_names) == 5 and white.input_names[0] == "component 1"
    np.testing.assert_allclose(white.moments().xx, np.eye(5), atol=1e-8)
    train = white.draw().train
    np.testing.assert_allclose(train.x.T @ train.x / train.num, np.eye(5), atol=1e-8)
    (discarded,) = white.report.discarded
    assert all(name in discarded for name in ("colour=red", "colour=green", "colour=blue"))
    assert "flag" not in discarded
    # The same least-squares fit, seen from both scales.
    fits = [np.linalg.lstsq(task.draw().train.x, task.draw().train.y, rcond=1e-8)[1] for task in (standard, white)]
    residual = [
        float(
            jnp.trace(task.moments().yy)
            - jnp.trace(task.moments().yx @ jnp.linalg.pinv(task.moments().xx, rtol=1e-8) @ task.moments().yx.T)
        )
        for task in (standard, white)
    ]
    assert residual[0] == pytest.approx(residual[1], rel=1e-8), fits


def test_loadings_are_covariances_with_the_columns(tmp_path):
    path = write(make_frame(2000), tmp_path / "data.csv")
    columns = ["offset", "small", "flag"]
    white = from_table(path, "price", columns=columns, scale=Whiten())
    standard = from_table(path, "price", columns=columns)
    direction = np.array([[0.6], [0.8], [0.0]])
    mode = np.asarray(white.draw().train.x) @ direction
    expected = np.asarray(standard.draw().train.x).T @ mode / len(mode)
    np.testing.assert_allclose(white.scaling.in_columns(jnp.asarray(direction)), expected, atol=1e-9)
    np.testing.assert_array_equal(standard.scaling.in_columns(jnp.asarray(direction)), direction)


@pytest.mark.parametrize("scale", [Standardise(), Whiten(), Centre()])
def test_new_rows_are_scaled_as_the_training_part_was(tmp_path, scale):
    frame = make_frame(300)[["offset", "small", "price"]]
    task = from_table(write(frame, tmp_path / "data.csv"), "price", scale=scale)
    part = task_parts(300)
    rows = jnp.asarray(frame.to_numpy()[part == 2])
    np.testing.assert_allclose(task.scaling.inputs(rows[:, :2]), task.draw().test.x, atol=1e-8)
    np.testing.assert_allclose(task.scaling.predictions(task.draw().test.y), rows[:, 2:], atol=1e-8)


def test_rows_with_gaps_are_dropped_when_asked(tmp_path):
    frame = make_frame(500).drop(columns="constant")
    frame.loc[[3, 77], "offset"] = np.nan
    frame.loc[10, "small"] = np.inf
    frame.loc[12, "colour"] = None
    path = write(frame, tmp_path / "data.csv")
    task = from_table(
        path, "price", columns=["offset", "small", "colour"], drop_missing=True, scale=Centre(), chunk_size=50
    )
    whole = frame.drop(index=[3, 77, 10, 12])
    mine = whole["offset"].to_numpy()[task_parts(496) == 0]
    assert float(np.asarray(task.moments().xx)[0, 0]) == pytest.approx(mine.var(), rel=1e-9)
    assert task.report.dropped_rows == 4
    assert task.report.missing == (("offset", 2), ("colour", 1)) and task.report.infinite == (("small", 1),)


def test_gaps_in_columns_that_are_not_used_do_not_matter(tmp_path):
    frame = make_frame(100)
    frame.loc[3, "small"] = np.nan
    frame["note"] = [f"note {i}" for i in range(100)]
    task = from_table(write(frame, tmp_path / "data.csv"), "price", columns=["offset"])
    assert task.report.dropped_rows == 0 and "note" in task.report.unused


def test_parts_have_the_right_size_and_do_not_depend_on_chunks():
    parts = Fractions().assign(np.arange(1000), 3)
    assert [int(np.sum(parts == which)) for which in range(3)] == [800, 100, 100]
    cut = np.concatenate([Fractions().assign(np.arange(a, min(a + 7, 1000)), 3) for a in range(0, 1000, 7)])
    np.testing.assert_array_equal(cut, parts)
    assert not np.array_equal(parts, Fractions().assign(np.arange(1000), 4))
    # A third each, and shares that no short block holds exactly.
    thirds = Fractions(1 / 3, 1 / 3, 1 / 3).assign(np.arange(3000), 0)
    assert [int(np.sum(thirds == which)) for which in range(3)] == [1000] * 3
    odd = as_fractions((0.777, 0.123, 0.1)).assign(np.arange(100_000), 0)
    assert np.mean(odd == 0) == pytest.approx(0.777, abs=0.005)


def test_parts_are_random_in_every_place_of_a_block():
    parts = Fractions().assign(np.arange(100_000), 0).reshape(-1, 10)
    share = np.mean(parts == 2, axis=0)  # 10,000 blocks: the standard deviation is 0.003
    assert np.all(np.abs(share - 0.1) < 5 * 0.003)


@given(st.integers(1, 60), st.integers(0, 5), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_running_moments_are_those_of_all_rows(width, late, sizes):
    rng = np.random.default_rng(width)
    rows = [rng.normal(size=(num, width)) * 10.0 ** rng.integers(-3, 3, width) + 100 for num in sizes]
    whole = np.concatenate(rows)
    whole[: len(rows[0]), width - min(late, width) :] = 0.0  # columns that the first chunk does not have
    running, first = RunningMoments(), 0
    for i, part in enumerate(rows):
        mine = whole[first : first + len(part)]
        running.add(mine[:, : width - min(late, width)] if i == 0 else mine)
        first += len(part)
    running.widen(width)
    np.testing.assert_allclose(running.mean, whole.mean(0), atol=1e-9)
    centred = whole - whole.mean(0)
    np.testing.assert_allclose(running.scatter, centred.T @ centred, rtol=1e-9, atol=1e-6)
    np.testing.assert_array_equal(running.low, whole.min(0))
    np.testing.assert_array_equal(running.high, whole.max(0))
    centre = rng.normal(size=width)
    np.testing.assert_allclose(
        running.about(centre), (whole - centre).T @ (whole - centre) / len(whole), rtol=1e-8, atol=1e-6
    )


def test_a_large_offset_does_not_cancel():
    rng = np.random.default_rng(0)
    rows = 1e9 + rng.normal(size=(10_000, 1))
    running = RunningMoments()
    for part in np.array_split(rows, 13):
        running.add(part)
    exact = np.var(rows - 1e9)
    assert running.scatter[0, 0] / running.num == pytest.approx(exact, rel=1e-7)
    naive = np.mean(rows**2) - np.mean(rows) ** 2
    assert abs(naive / exact - 1) > 1e-2  # what the merge avoids


def test_reservoir_is_even_and_independent_of_chunks():
    numbers = np.arange(20_000)
    kept = []
    for size in (100, 777):
        reservoir = Reservoir(8 * 1000, seed=5)
        for first in range(0, len(numbers), size):
            mine = numbers[first : first + size]
            reservoir.add(mine, mine[:, None].astype(float))
        ours, rows = reservoir.rows()
        np.testing.assert_array_equal(rows[:, 0], ours)
        kept.append(ours)
    np.testing.assert_array_equal(*kept)
    assert len(kept[0]) == 1000 and len(np.unique(kept[0])) == 1000
    # Even over the file: counts in ten stretches are binomial with mean 100 and standard deviation 9.5.
    counts = np.histogram(kept[0], bins=10, range=(0, 20_000))[0]
    assert np.all(np.abs(counts - 100) < 4 * 9.5)


def test_samples_that_do_not_fit_are_thinned_and_moments_are_not(tmp_path):
    frame = make_frame(4000)[["offset", "small", "price"]]
    path = write(frame, tmp_path / "data.csv")
    task = from_table(path, "price", max_bytes=8 * 3 * 500, chunk_size=100)
    assert sum(task.report.kept) == 500 and sum(task.report.parts) == 4000
    np.testing.assert_allclose(task.moments().xx, from_table(path, "price").moments().xx, atol=1e-10)
    assert any("500 of 4,000" in sentence for sentence in task.report.sentences())
    part = task_parts(4000)
    all_train = from_table(path, "price").draw().train.x
    assert task.draw().train.num == pytest.approx(0.8 * 500, abs=5 * np.sqrt(500 * 0.16))
    assert np.sum(part == 0) == all_train.shape[0]
    far = np.abs(np.asarray(task.draw().train.x)[:, :1] - np.asarray(all_train)[:, 0]).min(axis=1)
    assert np.max(far) < 1e-7  # every one is a row of the training part


@pytest.mark.parametrize(
    ("values", "classes", "outputs"),
    [
        ([0, 1, 1, 0] * 10, None, ("t=0", "t=1")),
        ([0, 1, 1, 0] * 10, False, ("t",)),
        ([-1.0, 10.0, 2.0, 2.0] * 10, None, ("t=-1", "t=2", "t=10")),
        ([0.5, 1.5, 2.0, 2.0] * 10, None, ("t",)),
        ([0.5, 1.5, 2.0, 2.0] * 10, True, ("t=0.5", "t=1.5", "t=2")),
        (list(range(40)), None, ("t",)),
        (list(range(10)) * 4, None, tuple(f"t={i}" for i in range(10))),
        (list(range(21)) + list(range(19)), None, ("t",)),
        ([True, False] * 20, None, ("t=False", "t=True")),
        ([True, False] * 20, False, ("t",)),
        (["10", "9", "a", "a"] * 10, None, ("t=9", "t=10", "t=a")),
    ],
)
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_targets_become_classes_or_numbers(tmp_path, values, classes, outputs, ending):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(values)), "t": values})
    # In chunks of 7, so that what looks like few values at first is decided by the whole file.
    task = from_table(write(frame, tmp_path / f"data{ending}"), "t", classes=classes, chunk_size=7)
    assert task.output_names == outputs
    y = np.asarray(task.draw().train.y)
    raw = y + np.asarray(task.draw().y_mean)
    if len(outputs) > 1:
        np.testing.assert_allclose(raw.sum(axis=1), 1)
        assert set(np.unique(raw.round(12))) == {0.0, 1.0}
    decided = {column.name: column for column in task.report.columns}["t"]
    assert (decided.kind == "classes") == (len(outputs) > 1)
    assert any("classes=False" in note for note in task.report.notes) == (
        classes is None and len(outputs) > 1 and isinstance(values[0], (int, float)) and not isinstance(values[0], bool)
    )


def test_draw_and_sample(tmp_path, keys):
    task = from_table(write(make_frame(200), tmp_path / "data.csv"), "price", columns=["offset", "small"])
    assert isinstance(task, FileTask)
    whole = task.draw(key=keys())
    small = task.draw(30, key=keys())
    assert small.train.num == 30 and small.test.num == whole.test.num == 20
    rows = np.asarray(whole.train.x)[:, 0]
    assert len(np.unique(np.asarray(small.train.x)[:, 0])) == 30  # without replacement
    assert np.isin(np.asarray(small.train.x)[:, 0], rows).all()
    many = task.sample(1000, key=keys())
    assert many.num == 1000 and np.isin(np.asarray(many.x)[:, 0], rows).all()
    pairs = {tuple(pair) for pair in np.column_stack([rows, np.asarray(whole.train.y)[:, 0]]).tolist()}
    assert {tuple(p) for p in np.column_stack([many.x[:, 0], many.y[:, 0]]).tolist()} <= pairs
    for bad in (lambda: task.draw(161, key=keys()), lambda: task.draw(0, key=keys()), lambda: task.draw(5)):
        with pytest.raises(ValueError, match="draw"):
            bad()
    with pytest.raises(ValueError, match="at least 1"):
        task.sample(0, key=keys())
    with pytest.raises(ValueError, match="length"):
        task.sample(3, key=keys(), length=4)


def test_parts_that_are_empty_are_none(tmp_path):
    frame = make_frame(60)
    task = from_table(write(frame, tmp_path / "a.csv"), "price", columns=["small"], split=(1.0, 0.0, 0.0))
    assert task.draw().validation is None and task.split_moments().test is None
    assert not any("no test part" in note for note in task.report.notes)
    task = from_table(write(frame[:4], tmp_path / "b.csv"), "price", columns=["small"], split=(0.98, 0.01, 0.01))
    assert task.draw().validation is None and any("no validation part" in note for note in task.report.notes)


def test_dtype_is_the_one_asked_for(tmp_path):
    path = write(make_frame(50), tmp_path / "data.csv")
    assert from_table(path, "price", columns=["small"]).moments().xx.dtype == jnp.float64
    task = from_table(path, "price", columns=["small"], dtype=jnp.float32)
    assert task.moments().xx.dtype == task.draw().train.x.dtype == task.scaling.x_mean.dtype == jnp.float32


def test_a_wide_table(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 800))
    np.savez(tmp_path / "wide.npz", x=values, y=values[:, 0] + values[:, 1])
    task = from_table(tmp_path / "wide.npz", scale=Centre())
    assert len(task.input_names) == 800 and task.input_names[7] == "x[7]"
    mine = values[task_parts(40) == 0]
    np.testing.assert_allclose(np.asarray(task.moments().xx)[:5, :5], np.cov(mine[:, :5].T, bias=True), atol=1e-12)


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    data = load_digits()
    task = ln.tasks.digits(scale=Centre())
    assert task.report.rows == 1797 and task.output_names == tuple(f"digit={i}" for i in range(10))
    dropped = dict(task.report.dropped_columns)
    assert {name for name, why in dropped.items() if why == "it is constant"} == {"pixel 0,0", "pixel 4,0", "pixel 4,7"}
    assert len(task.input_names) + len(dropped) == 64
    mine = data.data[task_parts(1797) == 0]
    at = task.input_names.index("pixel 3,4")
    assert float(np.asarray(task.moments().xx)[at, at]) == pytest.approx(mine[:, 3 * 8 + 4].var(), rel=1e-12)
    white = ln.tasks.digits(scale=Whiten())
    np.testing.assert_allclose(white.moments().xx, np.eye(len(white.input_names)), atol=1e-8)
    values = np.asarray(white.singular_modes().singular_values)
    assert np.sum(values > 1e-10) == 9


def test_gzip_is_read(tmp_path):
    frame = make_frame(120)
    plain = write(frame, tmp_path / "data.csv")
    with gzip.open(tmp_path / "data.csv.gz", "wb") as file:
        file.write(plain.read_bytes())
    tasks = [from_table(path, "price", columns=["small"]) for path in (plain, tmp_path / "data.csv.gz")]
    np.testing.assert_array_equal(tasks[0].draw().train.x, tasks[1].draw().train.x)
