import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.names import (
    UniquePaths,
    has_image_suffix,
    is_clutter,
    match_key,
    stem_of,
    suffix_of,
    visible,
)


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("train/cat.JPG", "train/cat", ".jpg"),
        ("dot.in.the.middle.jpg", "dot.in.the.middle", ".jpg"),
        (".hidden", ".hidden", ""),
        ("a.b/c", "a.b/c", ""),
    ],
)
def test_stem_and_suffix(name, stem, suffix):
    assert (stem_of(name), suffix_of(name)) == (stem, suffix)


def test_image_suffixes_are_known_in_any_case():
    assert has_image_suffix("UPPER.JPG")
    assert not has_image_suffix("notes.txt")


def test_compositions_of_one_name_match():
    assert match_key("cafe\u0301.jpg") == match_key("caf\u00e9.jpg")


def test_control_and_direction_characters_become_visible():
    assert visible("tab\tname") == "tab␉name"
    assert visible("rtl\u202egpj") == "rtl[U+202E]gpj"
    assert visible("naïve 日本 🐶") == "naïve 日本 🐶"
    assert visible("x" * 10, limit=5) == "xxxx…"


def test_clutter_of_operating_systems():
    assert is_clutter("__MACOSX/a.jpg")
    assert is_clutter("x/.DS_Store")
    assert is_clutter("x/._a.jpg")
    assert not is_clutter("x/.hidden.jpg")


@given(st.lists(st.text(max_size=30), max_size=8))
def test_paths_made_from_any_names_stay_inside_and_apart(names):
    paths = UniquePaths()
    made = [paths.path_for(name) for name in names]
    assert len({path.casefold() for path in made}) == len(names)
    for path in made:
        parts = path.split("/")
        assert path
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(parts)
        assert not any(character in path for character in '\\:*?"<>|\0\n')


def test_paths_keep_ordinary_names_and_avoid_devices():
    paths = UniquePaths()
    assert paths.path_for("train/日本語 a") == "train/日本語 a"
    assert paths.path_for("../../etc/passwd") == "etc/passwd"
    assert paths.path_for("CON") == "_CON"
    assert paths.path_for("same") == "same"
    assert paths.path_for("SAME") == "SAME-2"
