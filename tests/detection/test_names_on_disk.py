"""Lists and mappings of names that lie on disk behave as Python's own do."""

import pytest

from detection.names_on_disk import NameList, NameMap, NamesByKey, names_from

ODD = ["b.jpg", "a.jpg", "caf\u00e9.jpg", "bad\udcff.jpg", ""]


def test_a_list_is_a_sequence() -> None:
    names = NameList(ODD)
    assert (list(names), len(names)) == (ODD, len(ODD))
    assert (names[0], names[-2], names[1:3]) == (ODD[0], ODD[-2], ODD[1:3])
    assert names == ODD
    assert names != [*ODD[:-1], "other"]
    assert "a.jpg" in names
    assert not NameList()
    with pytest.raises(IndexError):
        names[len(ODD)]
    for start in range(len(ODD) + 1):
        assert list(names_from(names, start)) == list(names_from(ODD, start)) == ODD[start:]


def test_more_names_than_are_fetched_at_once() -> None:
    many = [f"{number}.jpg" for number in range(2500)]
    names = NameList(many)
    assert list(names) == many
    numbered: NameMap[int] = NameMap()
    for number, name in enumerate(many):
        assert numbered.add(name, number)
    assert list(numbered.pairs()) == list(zip(many, range(2500), strict=True))


def test_a_mapping_keeps_order_and_the_first() -> None:
    mapping: NameMap[str] = NameMap()
    for name in ODD:
        mapping[name] = name.upper()
    assert not mapping.add("a.jpg", "second")
    assert mapping.setdefault("a.jpg", "second") == "A.JPG"
    assert dict(mapping) == {name: name.upper() for name in ODD}
    mapping["a.jpg"] = "third"
    del mapping["b.jpg"]
    assert list(mapping) == ODD[1:]
    assert (mapping["a.jpg"], mapping.get("b.jpg"), len(mapping)) == ("third", None, 4)
    with pytest.raises(KeyError):
        del mapping["b.jpg"]


def test_names_that_share_a_key() -> None:
    names = NamesByKey((name[:1], name) for name in ("ab", "b", "aa", "\udcff"))
    assert (names.get("a"), names.get("\udcff"), names.get("c")) == (["ab", "aa"], ["\udcff"], [])
