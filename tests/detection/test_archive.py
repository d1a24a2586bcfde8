import io
import os
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.archive import ArchiveError, Limits, SafeArchive


def packed(*files, compression=zipfile.ZIP_DEFLATED, unix=True) -> io.BytesIO:
    """A zip of (name or ZipInfo, bytes) pairs."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = compression
            info.create_system = 3 if unix else 0
            archive.writestr(info, data)
    return target


def names_in(archive: SafeArchive) -> list[str]:
    return [entry.name for entry in archive.entries]


def test_reads_what_was_packed(tmp_path):
    data = os.urandom(300_000)
    path = tmp_path / "good.zip"
    path.write_bytes(
        packed(("images/a.jpg", data), ("b/日本.xml", b"<a/>"), ("b/", b"")).getvalue()
    )
    with SafeArchive(path) as archive:
        assert names_in(archive) == ["images/a.jpg", "b/日本.xml"]
        assert archive.entries[0].read() == data
        assert archive.entries[0].size == 300_000
        with archive.entries[0].open() as one, archive.entries[1].open() as other:
            assert one.read(10) == data[:10]
            assert other.read() == b"<a/>"
            assert one.read() == data[10:]
        assert archive.problems == []
        assert archive.bytes_read == 300_004


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@settings(max_examples=30)
@given(data=st.binary(max_size=3000), repeat=st.integers(1, 60))
def test_any_content_comes_back(compression, data, repeat):
    content = data * repeat
    with SafeArchive(packed(("a.bin", content), compression=compression)) as archive:
        assert archive.entries[0].read() == content


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../up.jpg", "climbs out"),
        ("a/../../up.jpg", "climbs out"),
        ("a\\..\\..\\up.jpg", "climbs out"),
        ("/abs.jpg", "root of a disk"),
        ("\\abs.jpg", "root of a disk"),
        ("//server/share/x.jpg", "root of a disk"),
        ("C:\\x.jpg", "root of a disk"),
        ("c:x.jpg", "root of a disk"),
        ("a//b.jpg", "empty folder name"),
        ("a/./b.jpg", "empty folder name"),
        ("/".join("a" * 40) + "/b.jpg", "32 folders"),
        ("x" * 2000 + ".jpg", "1,024 characters"),
        ("inner.zip", "not unpacked"),
        ("inner.tar.gz", "not unpacked"),
    ],
)
@pytest.mark.parametrize("unix", [True, False])
def test_bad_names_are_refused_one_by_one(name, words, unix):
    archive = SafeArchive(packed(("good.jpg", b"1"), (name, b"2"), ("also.jpg", b"3"), unix=unix))
    assert names_in(archive) == ["good.jpg", "also.jpg"]
    assert len(archive.problems) == 1
    assert words in archive.problems[0].message
    assert archive.problems[0].severity == "refused"


def test_links_devices_and_locked_entries_are_refused():
    link, pipe = zipfile.ZipInfo("link.jpg"), zipfile.ZipInfo("pipe.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    pipe.external_attr = (stat.S_IFIFO | 0o600) << 16
    file = packed((link, b"/etc/passwd"), (pipe, b""), ("locked.jpg", b"x"), ("good.jpg", b"1"))
    data = bytearray(file.getvalue())
    at = data.rindex(b"locked.jpg") - 46  # its line in the table of contents
    data[at + 8] |= 1
    archive = SafeArchive(io.BytesIO(bytes(data)))
    assert names_in(archive) == ["good.jpg"]
    words = " ".join(str(problem) for problem in archive.problems)
    assert "link.jpg: It is a link" in words
    assert "pipe.jpg: It is not a plain file" in words
    assert "locked.jpg: It is locked with a password" in words


def test_unknown_packing_is_refused_by_name():
    archive = SafeArchive(packed(("a.jpg", b"1" * 100), compression=zipfile.ZIP_LZMA))
    assert names_in(archive) == []
    assert "packed with LZMA" in archive.problems[0].message


def test_backslashes_are_folders_on_windows_and_letters_elsewhere():
    assert names_in(SafeArchive(packed(("a\\b.jpg", b""), unix=False))) == ["a/b.jpg"]
    data = packed(("a/b.jpg", b"")).getvalue().replace(b"a/b.jpg", b"a\\b.jpg")
    assert names_in(SafeArchive(io.BytesIO(data))) == ["a\\b.jpg"]


def test_names_twice_and_names_that_differ_in_case():
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = packed(("a.jpg", b"first"), ("a.jpg", b"second"), ("A.jpg", b"third"))
    archive = SafeArchive(file)
    assert [(entry.name, entry.read()) for entry in archive.entries] == [
        ("a.jpg", b"first"), ("A.jpg", b"third"),
    ]  # fmt: skip
    assert [problem.severity for problem in archive.problems] == ["refused", "note"]


def test_clutter_is_passed_over_without_a_word():
    archive = SafeArchive(packed(("__MACOSX/._a.jpg", b""), (".DS_Store", b""), ("a.jpg", b"")))
    assert names_in(archive) == ["a.jpg"]
    assert archive.problems == []


def test_entries_are_counted_before_and_while_reading():
    file = packed(*[(f"{n}.txt", b"") for n in range(20)])
    with pytest.raises(ArchiveError, match=r"It has 20 entries; the limit is 10\. Split it"):
        SafeArchive(file, Limits(max_entries=10))
    with pytest.raises(ArchiveError, match=r"limit raised \(THAT\)"):
        SafeArchive(file, Limits(max_entries=10, entries_setting="THAT"))
    data = bytearray(file.getvalue())
    at = data.rindex(b"PK\x05\x06")
    data[at + 8 : at + 12] = struct.pack("<HH", 1, 1)  # lies about the count
    with pytest.raises(ArchiveError, match="the limit is 10"):
        SafeArchive(io.BytesIO(bytes(data)), Limits(max_entries=10))


def test_declared_sizes_meet_the_limit():
    archive = SafeArchive(packed(("big.jpg", bytes(5000)), ("a.jpg", b"1")),
                          Limits(max_entry_bytes=1000))  # fmt: skip
    assert names_in(archive) == ["a.jpg"]
    assert "the limit for one file is 0 MB" in archive.problems[0].message


def test_ratios_are_measured_while_reading():
    limits = Limits(ratio_grace_bytes=1 << 20)
    file = packed(("bomb.jpg", bytes(50 << 20)), ("small.xml", b" " * 9000))
    archive = SafeArchive(file, limits)
    with pytest.raises(ArchiveError, match="over 200 times"):
        archive.entries[0].read()
    assert archive.bytes_read < 2 << 20
    assert len(archive.entries[1].read()) == 9000


def test_totals_are_measured_while_reading_and_second_readings_count_once():
    data = os.urandom(1000)
    archive = SafeArchive(packed(("a", data), ("b", data), ("c", data)),
                          Limits(max_total_bytes=2500))  # fmt: skip
    for _ in range(5):
        assert archive.entries[0].read() == data
    archive.entries[1].read()
    with pytest.raises(ArchiveError, match="the limit"):
        archive.entries[2].read()


def test_an_entry_that_holds_more_or_less_than_it_says():
    file = packed(("a.bin", b"A" * 1000), ("b.bin", b"1"))
    for declared, words in ((10, "more than the 10 bytes"), (5000, "the archive says 5,000")):
        data = bytearray(file.getvalue())
        at = data.rindex(b"a.bin") - 46
        data[at + 24 : at + 28] = struct.pack("<I", declared)
        archive = SafeArchive(io.BytesIO(bytes(data)))
        with pytest.raises(ArchiveError, match=words):
            archive.entries[0].read()
        assert archive.entries[1].read() == b"1"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_bytes_are_found(compression):
    content = os.urandom(2000)
    data = bytearray(packed(("a.bin", content), compression=compression).getvalue())
    data[500] ^= 0xFF
    archive = SafeArchive(io.BytesIO(bytes(data)))
    with pytest.raises(ArchiveError, match="damaged"):
        archive.entries[0].read()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_crashes(data):
    content = bytearray(packed(("a/b.jpg", b"x" * 300), ("c.xml", b"<a/>")).getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        for entry in SafeArchive(io.BytesIO(bytes(content))).entries:
            assert ".." not in entry.name.split("/")
            entry.read()
    except ArchiveError:
        pass


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty"),
        (b"PK\x03\x04 noise", "not a zip, or it is cut short"),
        (b"\x1f\x8b\x08", "a gzip archive. Boxloop takes zip"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"\0" * 257 + b"ustar" + b"\0" * 250, "tar archive"),
        (b"PK\x05\x06" + bytes(18), "there are no files in it"),
    ],
)
def test_what_is_no_zip_is_refused_by_name(data, words):
    with pytest.raises(ArchiveError, match=words):
        SafeArchive(io.BytesIO(data))


def test_a_zip_after_other_bytes_and_a_large_zip_are_read():
    data = b"#!/bin/sh\n" * 50 + packed(("a.jpg", b"1")).getvalue()
    assert SafeArchive(io.BytesIO(data)).entries[0].read() == b"1"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"zip64")
    assert SafeArchive(target).entries[0].read() == b"zip64"


def test_more_than_65535_entries_are_read():
    file = packed(*[(f"{n}", b"") for n in range(65_600)], compression=zipfile.ZIP_STORED)
    with pytest.raises(ArchiveError, match="the limit is 50,000 for an archive of its size"):
        SafeArchive(file)
    archive = SafeArchive(file, Limits(max_tiny_entries=70_000))
    assert len(archive.entries) == 65_600
    assert archive.entries[-1].read() == b""
