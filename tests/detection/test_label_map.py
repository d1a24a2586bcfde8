import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.label_map import (
    MAX_LABEL_LENGTH,
    MAX_LABELS,
    LabelMap,
    LabelMapError,
    LabelMapItem,
    LabelNameError,
    clean_label_name,
    parse_label_map,
    read_label_map,
    write_label_map,
)

# Where Boxloop is stricter than the API (a name twice, no labels) or more lenient (a mark that
# Windows editors write), on purpose.
STRICTER = {"duplicate name": "used twice", "empty file": "no labels"}
MORE_LENIENT = {"BOM"}


def test_reads_what_the_object_detection_api_reads(shared):
    cases = json.loads((shared / "reference/odapi/label_map_cases.json").read_text("utf-8"))
    assert len(cases) > 20
    for name, case in cases.items():
        if name in STRICTER:
            with pytest.raises(LabelMapError, match=STRICTER[name]):
                parse_label_map(case["text"])
        elif isinstance(case["dict"], str) and name not in MORE_LENIENT:
            with pytest.raises(LabelMapError, match=r"label_map\.pbtxt, line \d+, column \d+: "):
                parse_label_map(case["text"])
        elif name not in MORE_LENIENT:
            expected = case["dict_display"] if "" in case["dict"] else case["dict"]
            assert {item.name: item.id for item in parse_label_map(case["text"])} == expected, name


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("item { id: 0 name: 'dog' }", 1, 6, "'dog' has id 0. Class ids start at 1"),
        ("item {\n  id: 1\n  name: 'a\n}", 3, 9, "does not end on its line"),
        ("item {\n  id: 1\n  nom: 'a' }", 3, 3, "no field 'nom'"),
        ("item { id: 1 name: 'a' }\nitem { id: 1 name: 'b' }", 2, 6, "The id 1 is used twice"),
        ("item { id: x name: 'a' }", 1, 12, "Expected a whole number, but 'x' stands here"),
        ("item { id: 99999999999999999999 name: 'a' }", 1, 12, "beyond 32 bits"),
        ("item { id: 1 name: 'a'", 1, 23, "the text ends"),
        ("item { id: 1 name: '' }", 1, 6, "name is empty"),
        ("item { id 1 }", 1, 11, "Expected ':'"),
        ("\u00e9", 1, 1, "is not expected here"),
        ("item { id: 1 name: 'a\\u00e9' }", 1, 22, "is not an escape"),
        ("item { id: 1 name: '\\377' }", 1, 20, "is not UTF-8"),
        ("item { id: -3 name: 'a' }", 1, 6, "has id -3"),
    ],
)
def test_refusals_name_line_and_column(text, line, column, words):
    with pytest.raises(LabelMapError) as refusal:
        parse_label_map(text)
    assert (refusal.value.line, refusal.value.column) == (line, column)
    assert words in str(refusal.value)


def test_bytes_that_are_not_utf8_are_refused():
    with pytest.raises(LabelMapError, match="line 2, column 3: It is not UTF-8"):
        parse_label_map(b"# a\n# \xff")


def test_takes_display_names_gaps_and_the_background_item():
    label_map = parse_label_map(
        "item { id: 0 name: 'background' } item { id: 90 name: '/m/01' display_name: 'fox' }"
        "item < id: 7; name: 'cat' ancestor_ids: ['a', 'b'] frequency: RARE instance_count: 3 >"
    )
    assert label_map.names == ("cat", "/m/01")
    assert label_map.by_id[90].shown == "fox"
    assert label_map.by_id[7].shown == "cat"
    assert label_map.max_id == 90


def test_class_ids_and_model_indices():
    label_map = LabelMap((LabelMapItem(90, "fox"), LabelMapItem(1, "dog"), LabelMapItem(7, "cat")))
    assert [label_map.class_id(index) for index in range(3)] == [1, 7, 90]
    assert [label_map.class_index(class_id) for class_id in (1, 7, 90)] == [0, 1, 2]
    with pytest.raises(KeyError):
        label_map.class_index(2)
    with pytest.raises(IndexError):
        label_map.class_id(3)
    with pytest.raises(IndexError):
        label_map.class_id(-1)


def test_a_label_map_holds_ids_and_names_once():
    with pytest.raises(ValueError, match="one id"):
        LabelMap((LabelMapItem(1, "a"), LabelMapItem(1, "b")))
    with pytest.raises(ValueError, match="one name"):
        LabelMap((LabelMapItem(1, "a"), LabelMapItem(2, "a")))
    with pytest.raises(ValueError, match="start at 1"):
        LabelMap((LabelMapItem(0, "a"),))
    assert LabelMap(()).max_id == 0


def test_names_are_cleaned_or_refused():
    assert clean_label_name("  guinea\n  pig ") == "guinea pig"
    assert clean_label_name("cafe\u0301") == "café"
    for bad in ("", " \t", "x" * (MAX_LABEL_LENGTH + 1), "a\x07b", "a\u202eb"):
        with pytest.raises(LabelNameError):
            clean_label_name(bad)


def test_many_labels_meet_a_named_limit_soon():
    text = "".join(f"item {{ id: {n} name: 'c{n}' }}\n" for n in range(1, 2 * MAX_LABELS))
    started = time.perf_counter()
    with pytest.raises(LabelMapError, match="more than 10,000 labels"):
        parse_label_map(text)
    assert time.perf_counter() - started < 5
    with pytest.raises(LabelMapError, match="MiB"):
        parse_label_map("#" * 5_000_000)


names = st.text(min_size=1, max_size=30).filter(lambda text: _is_clean(text))


def _is_clean(text):
    try:
        return clean_label_name(text) == text
    except LabelNameError:
        return False


@given(
    st.lists(
        st.tuples(st.integers(1, 2**31 - 1), names, st.none() | names),
        min_size=1,
        max_size=6,
        unique_by=(lambda item: item[0], lambda item: item[1]),
    )
)
def test_reads_back_what_it_writes(items):
    label_map = LabelMap(tuple(LabelMapItem(*item) for item in items))
    assert parse_label_map(write_label_map(label_map)) == label_map


@given(st.text(alphabet="item{}:'\"\\<>[],;#\n id name 0123x\u00e9", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert len(parse_label_map(text)) > 0
    except LabelMapError:
        pass


def test_writes_what_the_api_reads(tmp_path):
    label_map = LabelMap.from_names(["it's", 'a "b"', "back\\slash", "犬🐶"])
    path = tmp_path / "label_map.pbtxt"
    path.write_text(write_label_map(label_map), encoding="utf-8")
    assert "name: 'it\\'s'" in path.read_text("utf-8")
    assert read_label_map(path) == label_map
