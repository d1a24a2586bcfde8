import hashlib
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.formats.example_wire import (
    ExampleError,
    FeatureKey,
    encode_features,
    parse_example,
)
from detection.formats.tfrecord import (
    RecordError,
    RecordWriter,
    count_records,
    decode_example,
    encode_example,
    read_raw_records,
    read_records,
    record_paths,
)
from detection.label_map import LabelMap, LabelMapItem
from detection.types import Box, LabelledImage

LABELS = LabelMap((LabelMapItem(1, "cat"), LabelMapItem(7, "dog"), LabelMapItem(300, "犬")))
IMAGE = LabelledImage(
    "train/a.jpg", 640, 480,
    (
        Box("dog", 10, 20, 30, 40, difficult=True, pose="Left"),
        Box("犬", 0, 0, 640, 480, truncated=True, crowd=True),
    ),
)  # fmt: skip
PICTURE = b"\xff\xd8 any bytes" * 100


def test_features_of_an_example():
    example = parse_example(encode_example(IMAGE, PICTURE, "jpeg", LABELS))
    assert example == {
        "image/height": [480],
        "image/width": [640],
        "image/filename": [b"train/a.jpg"],
        "image/source_id": [b"train/a.jpg"],
        "image/key/sha256": [hashlib.sha256(PICTURE).hexdigest().encode()],
        "image/encoded": [PICTURE],
        "image/format": [b"jpeg"],
        "image/object/bbox/xmin": [10 / 640, 0],
        "image/object/bbox/xmax": [30 / 640, 1],
        "image/object/bbox/ymin": [pytest.approx(20 / 480), 0],
        "image/object/bbox/ymax": [pytest.approx(40 / 480), 1],
        "image/object/class/text": [b"dog", "犬".encode()],
        "image/object/class/label": [7, 300],
        "image/object/difficult": [1, 0],
        "image/object/truncated": [0, 1],
        "image/object/view": [b"Left", b"Unspecified"],
        "image/object/is_crowd": [0, 1],
    }


def test_an_image_without_boxes_has_empty_lists():
    record = encode_example(LabelledImage("a.jpg", 4, 3), PICTURE, "png", LABELS)
    example = parse_example(record)
    assert example["image/object/class/label"] == []
    assert "image/object/is_crowd" not in example
    assert decode_example(example) == (LabelledImage("a.jpg", 4, 3), PICTURE, "png")


def test_a_label_that_the_map_lacks_is_an_error():
    with pytest.raises(KeyError, match="cow"):
        encode_example(LabelledImage("a", 9, 9, (Box("cow", 1, 2, 3, 4),)), b"", "jpeg", LABELS)


quarters = st.integers(0, 4 * 1999).map(lambda value: value / 4)


@st.composite
def boxes(draw):
    xmin, ymin = draw(quarters), draw(quarters)
    return Box(
        draw(st.sampled_from(LABELS.names)), xmin, ymin,
        draw(st.integers(int(xmin) + 1, 2000)), draw(st.integers(int(ymin) + 1, 2000)),
        *draw(st.tuples(*[st.booleans()] * 3)), draw(st.sampled_from(["Unspecified", "Left"])),
    )  # fmt: skip


@settings(max_examples=60)
@given(st.text(max_size=20), st.lists(boxes(), max_size=5), st.binary(max_size=200))
def test_reads_back_what_it_writes(name, written, picture):
    image = LabelledImage(name, 2000, 2000, tuple(written))
    record = encode_example(image, picture, "jpeg", LABELS)
    assert decode_example(parse_example(record)) == (image, picture, "jpeg")


def test_names_come_from_the_label_map_where_a_record_has_none():
    example = parse_example(encode_example(IMAGE, PICTURE, "jpeg", LABELS))
    del example["image/object/class/text"]
    image, _, _ = decode_example(example, LABELS)
    assert image == IMAGE
    with pytest.raises(ExampleError, match="no label map"):
        decode_example(example)
    with pytest.raises(ExampleError, match="7 is not in the label map"):
        decode_example(example, LabelMap.from_names(["cat"]))


def test_unusable_examples_are_refused_in_words():
    example = parse_example(encode_example(IMAGE, PICTURE, "jpeg", LABELS))
    for key, value, words in (
        ("image/object/bbox/ymin", [0.5], "differ in length"),
        ("image/width", [], "image/width has 0 values"),
        ("image/height", [b"480"], "holds bytes values"),
    ):
        broken = type(example)(example)
        broken[key] = value
        with pytest.raises(ExampleError, match=words):
            decode_example(broken)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), st.lists(st.binary(), max_size=3),
       st.lists(st.floats(width=32, allow_nan=False), max_size=5))  # fmt: skip
def test_the_wire_carries_any_values(ints, texts, floats):
    record = encode_features(
        [
            FeatureKey("ints").ints(ints),
            FeatureKey("texts").bytes_list(texts),
            FeatureKey("floats").floats(floats),
            *FeatureKey("one").one_bytes(b"x" * 70_000),
        ]
    )
    assert parse_example(record) == {
        "ints": ints, "texts": texts, "floats": floats, "one": [b"x" * 70_000],
    }  # fmt: skip


def test_lists_that_are_not_packed_are_read():
    floats = b"\x0a" + bytes([12]) + b"\x0a\x01f" + b"\x12\x07" + b"\x12\x05" + b"\x0d"
    floats += struct.pack("<f", 0.5)
    ints = b"\x0a\x0b\x0a\x01i\x12\x06\x1a\x04\x08\x01\x08\x02"
    features = floats + ints
    record = b"\x0a" + bytes([len(features)]) + features
    assert parse_example(record) == {"f": [0.5], "i": [1, 2]}


@given(st.data())
def test_damaged_examples_are_read_or_refused(data):
    record = bytearray(encode_example(IMAGE, b"xy", "jpeg", LABELS))
    for _ in range(data.draw(st.integers(1, 4))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_example(bytes(record))
    except ExampleError:
        pass


def test_shards_are_filled_in_turn_and_named_when_whole(tmp_path):
    with RecordWriter(tmp_path / "new/train", 3) as writer:
        for number in range(7):
            writer.write(bytes([number]))
            assert not writer.paths[0].exists()
    assert [path.name for path in writer.paths] == [
        f"train-0000{shard}-of-00003" for shard in range(3)
    ]
    assert [list(read_raw_records(path)) for path in writer.paths] == [
        [b"\0", b"\3", b"\6"], [b"\1", b"\4"], [b"\2", b"\5"],
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        path.name for path in writer.paths
    ]
    assert [count_records(path) for path in writer.paths] == [3, 2, 2]
    with pytest.raises(ValueError, match="at least 1"):
        RecordWriter(tmp_path / "x", 0)


def test_after_an_error_nothing_is_left_and_the_old_stays(tmp_path):
    with RecordWriter(tmp_path / "train") as writer:
        writer.write(b"old")
    with pytest.raises(TypeError), RecordWriter(tmp_path / "train") as writer:
        writer.write(None)
    assert [path.name for path in tmp_path.iterdir()] == ["train-00000-of-00001"]
    assert list(read_raw_records(writer.paths[0])) == [b"old"]


def test_record_paths(tmp_path):
    for name in ("val-00000-of-00001", "train-00001-of-00002", "train-00000-of-00002", "x.record",
                 "label_map.pbtxt", "train.txt"):  # fmt: skip
        (tmp_path / name).touch()
    assert [path.name for path in record_paths(tmp_path)] == [
        "train-00000-of-00002", "train-00001-of-00002", "val-00000-of-00001", "x.record",
    ]  # fmt: skip
    assert len(record_paths(tmp_path / "train")) == 2
    assert record_paths(tmp_path / "x.record") == [tmp_path / "x.record"]
    with pytest.raises(FileNotFoundError, match="no TFRecord files"):
        record_paths(tmp_path / "test")


def test_damaged_files_are_refused_by_record(tmp_path):
    path = tmp_path / "x.record"
    with RecordWriter(tmp_path / "x") as writer:
        for _ in range(3):
            writer.write(encode_example(IMAGE, b"p", "jpeg", LABELS))
    whole = writer.paths[0].read_bytes()
    size = len(whole) // 3
    for data, words in (
        (whole[:-9], "x.record, record 3: the file ends within it"),
        (whole[: size + 5], "x.record, record 2: its length does not fit"),
        (whole[: size + 50] + b"!" + whole[size + 51 :], "record 2: it does not fit its checksum"),
        (b"this is not a record file at all", "record 1: its length does not fit its checksum"),
    ):
        path.write_bytes(data)
        with pytest.raises(RecordError, match=words):
            list(read_records(path))
    with RecordWriter(path) as writer:
        writer.write(b"")
    with pytest.raises(RecordError, match="record 1: It holds no features"):
        list(read_records(writer.paths[0]))


def test_reads_what_the_api_wrote(shared):
    folder = shared / "reference/odapi"
    schema = json.loads((folder / "schema.json").read_text())["out/bccd_test.record"]
    kinds = {"bytes_list": bytes, "float_list": float, "int64_list": int}
    examples = list(read_records(folder / "bccd_test.record"))
    assert len(examples) == schema["examples"]
    for example in examples:
        assert set(example) == set(schema["keys"])
        for key, facts in schema["keys"].items():
            assert facts["len_min"] <= len(example[key]) <= facts["len_max"]
            assert isinstance(example[key][0], kinds[facts["kind"][0]])
    (empty,) = read_records(folder / "no_objects.record")
    assert decode_example(empty)[0].boxes == ()
    shards = record_paths(folder / "pets_faces/pet_faces_train.record")
    assert len(shards) == 2
    assert all(decode_example(example)[0].boxes for example in read_records(shards[0]))


def test_tensorflow_reads_it(tmp_path):
    tf = pytest.importorskip("tensorflow")
    with RecordWriter(tmp_path / "train", 2) as writer:
        writer.write(encode_example(IMAGE, PICTURE, "jpeg", LABELS))
        writer.write(encode_example(LabelledImage("b.jpg", 4, 3), PICTURE, "jpeg", LABELS))
    files = tf.data.TFRecordDataset([str(path) for path in writer.paths])
    features = {
        "image/encoded": tf.io.FixedLenFeature((), tf.string),
        "image/width": tf.io.FixedLenFeature((), tf.int64),
        "image/object/bbox/xmin": tf.io.VarLenFeature(tf.float32),
        "image/object/class/label": tf.io.VarLenFeature(tf.int64),
        "image/object/class/text": tf.io.VarLenFeature(tf.string),
        "image/object/is_crowd": tf.io.VarLenFeature(tf.int64),
    }
    first, second = (tf.io.parse_example(record, features) for record in files)
    assert first["image/encoded"].numpy() == PICTURE
    assert first["image/object/class/label"].values.numpy().tolist() == [7, 300]
    assert first["image/object/bbox/xmin"].values.numpy().tolist() == [10 / 640, 0]
    assert second["image/width"].numpy() == 4
    assert second["image/object/class/label"].values.numpy().tolist() == []
    # Its own serialisation of the same Example is read alike.
    for record in files:
        again = tf.train.Example.FromString(record.numpy()).SerializeToString()
        assert parse_example(again) == parse_example(record.numpy())
