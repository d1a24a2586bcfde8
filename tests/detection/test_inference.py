"""Detecting with a bundle in LiteRT: boxes in the photo's pixels, no TensorFlow, plain errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detection.bases import BASES, DEFAULT_BASE, base_dir, find_base
from detection.inference import LOWEST_SCORE, Detector, DetectorError, load_detector

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def detector() -> Detector:
    if not find_base(DEFAULT_BASE).is_present:
        pytest.skip(f"No base on this machine: ./boxloop bases --fetch {DEFAULT_BASE}")
    return load_detector(DEFAULT_BASE)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photos")
    return {"astronaut": data.astronaut(), "chelsea": data.chelsea()}


def test_it_finds_the_person_and_the_cat(detector: Detector, photos):
    person = detector.detect([photos["astronaut"]])[0][0]
    assert (person.label, person.class_id) == ("person", 1)
    assert person.score > 0.5
    assert person.xmax - person.xmin > 250
    cat = detector.detect([photos["chelsea"]])[0][0]
    assert (cat.label, cat.class_id) == ("cat", 17)
    assert cat.score > 0.8


def test_boxes_are_in_the_photo_and_sorted(detector: Detector):
    for found, (height, width) in zip(
        detector.detect([noise(120, 640), noise(333, 77)], score_threshold=0.0),
        [(120, 640), (333, 77)],
        strict=True,
    ):
        assert 0 < len(found) <= 100
        assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
        for box in found:
            assert 0 <= box.xmin < box.xmax <= width
            assert 0 <= box.ymin < box.ymax <= height
            assert detector.label_map.by_id[box.class_id].name == box.label


def test_thresholds_and_limits(detector: Detector):
    picture = noise(300, 300)
    assert all(box.score >= LOWEST_SCORE for box in detector.detect([picture])[0])
    assert detector.detect([picture], score_threshold=1.01) == [[]]
    assert len(detector.detect([picture], score_threshold=0.0, max_detections=3)[0]) == 3
    assert detector.detect([]) == []


def test_detecting_twice_is_the_same(detector: Detector):
    picture = noise(200, 300)
    first = detector.detect([picture], score_threshold=0.0)
    assert detector.detect([picture, picture], score_threshold=0.0) == first * 2


def test_coco_labels_keep_their_published_ids(detector: Detector):
    assert len(detector.labels) == BASES[DEFAULT_BASE].num_labels == 80
    assert detector.label_map.by_name["toothbrush"].id == 90
    assert 12 not in detector.label_map.by_id


def test_detecting_loads_no_tensorflow(detector: Detector):
    code = (
        "import sys, numpy as np; from detection.inference import load_detector;"
        f"load_detector({DEFAULT_BASE!r}).detect([np.zeros((40, 60, 3), np.uint8)]);"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_model_that_is_nowhere(tmp_path: Path):
    with pytest.raises(DetectorError, match=rf"no such model folder.*{DEFAULT_BASE}"):
        load_detector(tmp_path / "nothing")


def test_a_run_that_is_not_finished(tmp_path: Path):
    with pytest.raises(DetectorError, match=r"no model\.json.*goes on when its train command"):
        load_detector(tmp_path)


def test_a_base_that_was_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("BOXLOOP_BASES", str(tmp_path))
    with pytest.raises(DetectorError, match="bases --fetch"):
        load_detector(DEFAULT_BASE)


@pytest.mark.parametrize("broken", ["model.tflite", "label_map.pbtxt", "model.json"])
def test_a_damaged_bundle_is_named(detector: Detector, tmp_path: Path, broken: str):
    shutil.copytree(base_dir(DEFAULT_BASE) / "model", tmp_path / "model")
    (tmp_path / "model" / broken).write_bytes(b"\x00broken")
    with pytest.raises(DetectorError, match=r"cannot be read"):
        load_detector(tmp_path)


def test_a_run_directory_means_its_model(detector: Detector, tmp_path: Path):
    shutil.copytree(base_dir(DEFAULT_BASE) / "model", tmp_path / "model")
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert load_detector(tmp_path).facts == load_detector(tmp_path / "model").facts == facts
