import pytest

from detection.pairing import pair_annotations


def pair(images, annotations, **filenames):
    claims = {name.replace("__", "/") + ".xml": claim for name, claim in filenames.items()}
    return pair_annotations(images, annotations, claims.get)


@pytest.mark.parametrize(
    ("image", "annotation"),
    [
        ("a.jpg", "a.xml"),
        ("train/a.JPG", "train/a.xml"),
        ("BCCD/JPEGImages/a.jpg", "BCCD/Annotations/a.xml"),
        ("images/train/a.jpg", "annotations/train/a.xml"),
        ("v1/images/a.jpg", "v1/a.xml"),
        ("cafe\u0301.jpg", "caf\u00e9.xml"),
    ],
)
def test_paths_pair(image, annotation):
    assert pair([image, "other.jpg"], [annotation]).pairs == ((annotation, image),)


def test_one_stem_in_two_folders_is_not_mixed():
    images = ["same.jpg", "sub/same.jpg"]
    found = pair(images, ["sub/same.xml", "same.xml"])
    assert dict(found.pairs) == {"same.xml": "same.jpg", "sub/same.xml": "sub/same.jpg"}
    lonely = pair(["train/same.jpg"], ["test/same.xml"])
    assert lonely.pairs == ()
    assert lonely.images_alone == ("train/same.jpg",)
    assert lonely.annotations_alone == ("test/same.xml",)
    assert "no image of its name, and it names no image" in lonely.problems[0].message


@pytest.mark.parametrize(
    "claim", ["photo.jpg", "photo", "PHOTO.JPG", "../../photo.jpg", "C:\\x\\photo.jpg", "photo.png"]
)
def test_filename_decides_where_paths_do_not(claim):
    found = pair(["images/photo.jpg", "images/b.jpg"], ["xml/1.xml"], xml__1=claim)
    assert found.pairs == (("xml/1.xml", "images/photo.jpg"),)


def test_filename_means_the_image_in_its_own_folder_first():
    images = ["train/photo.jpg", "test/photo.jpg"]
    found = pair(images, ["test/1.xml"], test__1="photo.jpg")
    assert found.pairs == (("test/1.xml", "test/photo.jpg"),)
    undecided = pair(images, ["1.xml"], **{"1": "photo.jpg"})
    assert undecided.pairs == ()
    assert "could be train/photo.jpg and test/photo.jpg" in undecided.problems[0].message


def test_paths_come_before_filenames_and_an_image_is_paired_once():
    found = pair(["a.jpg"], ["0.xml", "a.xml"], **{"0": "a.jpg", "a": "b.jpg"})
    assert found.pairs == (("a.xml", "a.jpg"),)
    assert "has its boxes from another annotation file" in found.problems[0].message


def test_two_images_of_one_stem_need_the_filename():
    images = ["a.jpg", "a.png"]
    assert pair(images, ["a.xml"], a="a.png").pairs == (("a.xml", "a.png"),)
    refused = pair(images, ["a.xml"], a="b.jpg")
    assert "Its path fits a.jpg and a.png, and it names 'b.jpg'" in refused.problems[0].message


def test_many_names_pair_soon():
    images = [f"images/{n:06d}.jpg" for n in range(20_000)]
    annotations = [f"annotations/{n:06d}.xml" for n in range(20_000)]
    found = pair_annotations(images, annotations, lambda name: None)
    assert len(found.pairs) == 20_000
