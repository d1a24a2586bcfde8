from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.splits import (
    SplitError,
    assign_splits,
    joined_groups,
    match_stems,
    read_split_file,
)

FRACTIONS = {"train": 0.7, "val": 0.2, "test": 0.1}


def keys(count: int) -> list[str]:
    return [f"image {number}" for number in range(count)]


def test_fractions_are_hit_exactly():
    assert Counter(assign_splits(keys(200), FRACTIONS, 1).values()) == {
        "train": 140, "val": 40, "test": 20,
    }  # fmt: skip
    assert Counter(assign_splits(keys(10), (0.8, 0.2, 0.0), 1).values()) == {"train": 8, "val": 2}


def test_a_seed_gives_the_same_division_in_any_order():
    first = assign_splits(keys(50), FRACTIONS, 3)
    assert first == assign_splits(list(reversed(keys(50))), FRACTIONS, 3)
    assert first != assign_splits(keys(50), FRACTIONS, 4)
    assert list(first) == keys(50)


def test_added_images_move_few_others():
    labels = {key: [f"label {number % 4}"] for number, key in enumerate(keys(1010))}
    before = assign_splits(keys(1000), FRACTIONS, 1, labels=labels)
    after = assign_splits(keys(1010), FRACTIONS, 1, labels=labels)
    assert sum(before[key] != after[key] for key in before) <= 20


def test_every_split_shows_every_label_about_as_often():
    labels = {
        key: {"common", *(["rare"] if number % 20 == 0 else [])}
        for number, key in enumerate(keys(400))
    }
    splits = assign_splits(keys(400), FRACTIONS, 1, labels=labels)
    rare = Counter(splits[key] for key in splits if "rare" in labels[key])
    assert rare == {"train": 14, "val": 4, "test": 2}


def test_a_label_with_one_image_goes_to_train():
    labels = {key: ["common"] for key in keys(40)} | {"image 3": ["lonely", "common"]}
    for seed in range(30):
        assert assign_splits(keys(40), FRACTIONS, seed, labels=labels)["image 3"] == "train"


def test_groups_stay_together():
    groups = {key: number // 5 for number, key in enumerate(keys(100)) if number < 90}
    splits = assign_splits(keys(100), FRACTIONS, 2, groups=groups)
    for group in set(groups.values()):
        assert len({splits[key] for key in groups if groups[key] == group}) == 1
    assert 15 <= Counter(splits.values())["val"] <= 25


def test_kept_splits_stay_and_groups_follow_them():
    kept = {"image 0": "test", "image 1": "val"}
    groups = {"image 0": "a", "image 5": "a"}
    splits = assign_splits(keys(10), (0.8, 0.2), 1, groups=groups, kept=kept)
    assert splits["image 0"] == splits["image 5"] == "test"
    assert splits["image 1"] == "val"
    conflicting = assign_splits(
        keys(2), (1, 1), 1, groups=dict.fromkeys(keys(2), "g"),
        kept={"image 0": "val", "image 1": "train"},
    )  # fmt: skip
    assert conflicting == {"image 0": "val", "image 1": "train"}


@pytest.mark.parametrize("count", range(2, 12))
@pytest.mark.parametrize("seed", range(5))
def test_two_images_are_enough_for_train_and_val(count, seed):
    for labels in (None, {key: [key] for key in keys(count)}):
        found = Counter(assign_splits(keys(count), (0.9, 0.1), seed, labels=labels).values())
        assert found["train"] >= 1
        assert found["val"] >= 1


def test_val_is_not_added_where_it_is_kept_or_not_wanted():
    kept = {"image 0": "val"}
    assert Counter(assign_splits(keys(3), (0.99, 0.01), 1, kept=kept).values())["val"] == 1
    assert set(assign_splits(keys(5), (1, 0), 1).values()) == {"train"}
    assert set(assign_splits(keys(5), {"test": 1}, 1).values()) == {"test"}
    assert assign_splits(keys(1), (0.5, 0.5), 1) == {"image 0": "train"}
    assert assign_splits([], (0.5, 0.5), 1) == {}


@pytest.mark.parametrize("fractions", [(0, 0, 0), (-1, 2), {"training": 1.0}])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(SplitError):
        assign_splits(keys(3), fractions, 1)
    with pytest.raises(SplitError, match="'valid' is not a split"):
        assign_splits(keys(3), (1, 1), 1, kept={"image 0": "valid"})


@given(
    st.integers(0, 60), st.integers(), st.lists(st.integers(0, 5), min_size=60, max_size=60),
    st.lists(st.sets(st.sampled_from("abcd")), min_size=60, max_size=60),
)  # fmt: skip
def test_every_key_gets_one_split(count, seed, groups, labels):
    wanted = keys(count)
    splits = assign_splits(
        wanted, FRACTIONS, seed,
        groups={key: group for key, group in zip(wanted, groups, strict=False) if group},
        labels=dict(zip(wanted, labels, strict=False)),
    )  # fmt: skip
    assert list(splits) == wanted
    assert set(splits.values()) <= {"train", "val", "test"}


def split_file(folder, text: str, encoding="utf-8"):
    path = folder / "train.txt"
    path.write_bytes(text.encode(encoding))
    return path


def test_reads_one_name_a_line(tmp_path):
    path = split_file(tmp_path, "\ufeffa/one\r\n\r\n# a comment\nwith space\n./b\\two.jpg\na/one\n")
    stems = read_split_file(path)
    assert stems == ["a/one", "with space", "b/two.jpg"]
    assert [stem.line for stem in stems] == [1, 4, 5]
    assert stems[0].file == "train.txt"


def test_reads_pascal_voc_lists_of_two_columns(tmp_path):
    assert read_split_file(split_file(tmp_path, "a 1\nb -1\nc  0\n")) == ["a", "b", "c"]
    assert read_split_file(split_file(tmp_path, "photo 1\nphoto 2\n")) == ["photo 1", "photo 2"]


def test_unreadable_split_files_are_refused_by_name(tmp_path):
    with pytest.raises(SplitError, match=r"missing\.txt: it cannot be read"):
        read_split_file(tmp_path / "missing.txt")
    with pytest.raises(SplitError, match=r"train\.txt: it is not UTF-8"):
        read_split_file(split_file(tmp_path, "é", "latin-1"))
    with pytest.raises(SplitError, match=r"train\.txt: there are no names"):
        read_split_file(split_file(tmp_path, "\n# nothing\n"))


NAMES = ["BCCD/JPEGImages/cat.jpg", "test/dog.1.JPG", "train/same.jpg", "test/same.png", "é.jpg"]


def test_stems_match_by_path_or_by_its_end():
    stems = ["cat", "JPEGImages/cat", "test/dog.1", "dog.1", "test/same.png", "e\u0301"]
    assert match_stems(stems, NAMES) == [
        "BCCD/JPEGImages/cat.jpg", "test/dog.1.JPG", "test/same.png", "é.jpg",
    ]  # fmt: skip
    # The same path beats another path's end, and so does the same path in a layout folder.
    assert match_stems(["a", "b/a"], ["JPEGImages/a.jpg", "JPEGImages/b/a.jpg"]) == [
        "JPEGImages/a.jpg", "JPEGImages/b/a.jpg",
    ]  # fmt: skip
    assert match_stems(["same"], ["x/same.jpg", "same.jpg"]) == ["same.jpg"]
    # Other images' suffixes in a list do not matter.
    assert match_stems(["cat.png"], NAMES) == ["BCCD/JPEGImages/cat.jpg"]


def test_unmatched_stems_name_line_and_value(tmp_path):
    stems = read_split_file(split_file(tmp_path, "cat\nbird\n"))
    with pytest.raises(SplitError, match=r"train\.txt, line 2: there is no labelled image 'bird'"):
        match_stems(stems, NAMES)
    with pytest.raises(SplitError, match=r"'same' could be train/same\.jpg or test/same\.png"):
        match_stems(["same"], NAMES)
    with pytest.raises(SplitError, match="no labelled image 'at'"):
        match_stems(["at"], NAMES)


def test_near_duplicates_stay_in_one_split_with_their_groups() -> None:
    keys = [f"{n}" for n in range(40)]
    groups = {"0": "clip", "1": "clip", "2": "other", "3": "other"}
    joined = joined_groups(keys, groups, [["1", "2"], ["10", "11", "gone"]])
    assert joined["0"] == joined["1"] == joined["2"] == joined["3"]
    assert joined["10"] == joined["11"] != joined["0"]
    assert "12" not in joined
    for seed in range(20):
        splits = assign_splits(keys, (0.5, 0.3, 0.2), seed, groups=joined)
        assert len({splits[key] for key in "0123"}) == 1
        assert splits["10"] == splits["11"]


def test_groups_that_nothing_joins_keep_their_names() -> None:
    assert joined_groups(["a", "b", "c"], {"a": "clip", "b": "clip"}, []) == {
        "a": "clip",
        "b": "clip",
    }
