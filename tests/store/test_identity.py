"""The identity of a run follows its config, the content of its inputs and the version, and nothing else."""

import pytest

from linnet import store

CONFIG = {"hidden": 32, "scale": 1e-3, "depths": [1, 2], "nested": {"a": "x"}}


def test_order_and_path_do_not_matter(tmp_path):
    shuffled = dict(reversed(CONFIG.items()))
    assert store.identity(CONFIG) == store.identity(shuffled)
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("1,2\n")
    second.write_text("1,2\n")
    assert store.file_digest(first) == store.file_digest(second)


@pytest.mark.parametrize(
    "change", [{"hidden": 33}, {"scale": 1e-3 * (1 + 1e-15)}, {"depths": [2, 1]}, {"nested": {"a": "y"}}, {"extra": 0}]
)
def test_any_change_of_the_config_is_another_run(change):
    assert store.identity(CONFIG) != store.identity(CONFIG | change)


def test_content_and_version_matter(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n")
    before = store.identity(CONFIG, {"data": store.file_digest(path)})
    path.write_text("1,3\n")
    assert before != store.identity(CONFIG, {"data": store.file_digest(path)})
    assert store.identity(CONFIG, version="1.0") != store.identity(CONFIG, version="1.1")


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="There is no file"):
        store.file_digest(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="cannot be read"):
        store.file_digest(tmp_path)
