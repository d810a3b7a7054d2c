"""Text from files: windows, what is held out, and what is refused."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import tasks


@pytest.fixture
def path(tmp_path):
    """Every byte from 32 on but DEL, so that a byte says where it stands."""
    file = tmp_path / "text.txt"
    file.write_bytes(bytes(byte for byte in range(32, 256) if byte != 127))
    return file


@eqx.filter_jit
def sample(task, key, num, length=None, min_length=None):
    return task.sample(num, key=key, length=length, min_length=min_length)


def test_windows_are_uniform_and_targets_the_next_bytes(path):
    task = tasks.sequence_task("text", path=path, length=8, held_out=0.25)
    data = path.read_bytes()
    border = len(data) - int(np.ceil(0.25 * len(data)))
    assert bytes(np.asarray(task.train)) == data[:border] and bytes(np.asarray(task.test)) == data[border:]
    batch = sample(task, jr.key(0), 4000)
    starts = np.array([data.index(bytes(row.tolist())) for row in np.asarray(batch.x, np.uint8)])
    assert all(bytes(y.tolist()) == data[s + 1 : s + 9] for s, y in zip(starts, np.asarray(batch.y, np.uint8)))
    counts = np.bincount(starts, minlength=border - 8)
    assert len(counts) == border - 8 and np.max(np.abs(counts - 4000 / (border - 8))) < 5 * np.sqrt(4000 / (border - 8))
    assert batch.mask is None and task.chance == 1 / border
    assert task.text(batch.x[0]) == bytes(np.asarray(batch.x[0]).tolist()).decode("latin-1")


def test_held_out_bytes_are_never_trained_on(path):
    task = tasks.text_task(path, 4, held_out=0.5)
    split = eqx.filter_jit(lambda key: task.draw(100, key=key))(jr.key(1))
    assert not set(np.unique(split.train.x)) & set(np.unique(split.test.x))
    assert set(np.unique(split.validation.x)) <= set(np.asarray(task.test).tolist())


def test_shorter_windows_are_padded(path):
    task = tasks.text_task(path, 8)
    batch = sample(task, jr.key(2), 200, 8, 3)
    sizes = np.sum(np.asarray(batch.mask), axis=1)
    assert set(sizes) == set(range(3, 9))
    assert np.array_equal(batch.mask, batch.x != task.pad_token)
    later = np.asarray(batch.mask)[:, 1:]
    assert np.array_equal(np.asarray(batch.y)[:, :-1][later], np.asarray(batch.x)[:, 1:][later])


def test_files_that_are_no_text_are_refused(tmp_path, path):
    def written(name, data):
        file = tmp_path / name
        file.write_bytes(data)
        return file

    for file, message in [
        (tmp_path / "none.txt", "is no file"),
        (written("empty.txt", b""), "is empty"),
        (written("short.txt", b"word " * 20), "more than 128 bytes in each part"),
        (written("nul.txt", b"text\0" * 1000), "NUL bytes"),
        (written("control.txt", b"ab\x01\x02" * 1000), "50% control bytes"),
    ]:
        with pytest.raises(ValueError, match=message):
            tasks.text_task(file)
    with pytest.raises(ValueError, match="between 0 and 1"):
        tasks.text_task(path, held_out=1.0)
    with pytest.raises(ValueError, match="length >= 1"):
        tasks.text_task(path, 0)
    with pytest.raises(ValueError, match="Use shorter windows"):
        tasks.text_task(path, 4).sample(2, key=jr.key(0), length=1000)
    with pytest.raises(ValueError, match="does not take these settings"):
        tasks.sequence_task("text")
    assert tasks.text_task(path, 4, max_bytes=100).train.shape == (90,)
    utf8 = written("utf8.txt", "Übergrößenträger, жизнь, 言語\n".encode() * 50)
    assert tasks.text_task(utf8, 16).chance < 0.2 and jnp.max(tasks.text_task(utf8, 16).train) > 127
