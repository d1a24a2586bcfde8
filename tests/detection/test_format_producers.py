"""Files as other tools write them, small and true to their layout, and what is read from them."""

import io
import json

import pytest
from PIL import Image

from detection.formats.dataset import DatasetError
from detection.formats.files import FolderFiles
from detection.formats.reading import dataset_of
from detection.formats.registry import open_reading

SIZE = (640, 480)


def picture(color="grey") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SIZE, color).save(file, "JPEG")
    return file.getvalue()


def read(root, files: dict[str, str], photos=("a.jpg",)):
    """(format, {image: (split, [(label, xmin, ymin, xmax, ymax)])}, sentences, items by name)."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    for number, name in enumerate(photos):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture((number * 30, 9, 9)))
    source, problems = FolderFiles(root), []
    reading = open_reading(source, problems.append)
    assert reading is not None
    dataset = dataset_of(reading, source, None, problems.append, pictures=False)
    items = {item.image.name: item for item in dataset.read(problems.append)}
    found = {
        name: (item.split, [(box.label, *(round(v, 2) for v in box.xyxy))
                            for box in item.image.boxes])
        for name, item in items.items()
    }  # fmt: skip
    reading.close()
    return reading.format, found, [str(problem) for problem in problems], items


COCO_IMAGE = {"id": 397133, "file_name": "a.jpg", "width": 640, "height": 480}


def coco(annotations, images=(COCO_IMAGE,), categories=({"id": 1, "name": "dog"},)) -> str:
    return json.dumps(
        {"info": {}, "licenses": [], "images": list(images), "annotations": list(annotations),
         "categories": list(categories)}
    )  # fmt: skip


def box(number: int, **more) -> dict:
    return {"id": number, "image_id": 397133, "category_id": 1, "iscrowd": 0, **more}


def test_coco_takes_boxes_from_polygons_and_run_lengths(tmp_path):
    annotations = [
        box(1, segmentation=[[10, 20, 30, 20, 30, 60], [5, 25, 6, 25, 6, 26]]),
        # Column 2, rows 1..3 of a picture 5 high: 11 outside, 3 inside, the rest outside.
        box(2, segmentation={"size": [480, 640], "counts": [480 * 2 + 1, 3, 480 * 640 - 964]}),
        # The same mask as pycocotools packs it.
        box(3, segmentation={"size": [480, 640], "counts": "Qn03lQ[9"}),
        box(4, iscrowd=1, bbox=[1, 2, 3, 4], segmentation={"size": [480, 640], "counts": [0]}),
        box(5, segmentation={"size": [480, 640], "counts": [1, 2]}),
        box(6, bbox=[10, 20, -5, 8]),
        box(7, bbox=["7", "8", "9", "10"], category_id="1"),
        box(8, bbox=[1, 2, 3]),
    ]
    kind, found, problems, items = read(tmp_path, {"anno.json": coco(annotations)})
    assert kind == "coco"
    assert found["a.jpg"][1] == [
        ("dog", 5, 20, 30, 60), ("dog", 2, 1, 3, 4), ("dog", 1, 2, 4, 6), ("dog", 5, 20, 10, 28),
        ("dog", 7, 8, 16, 18),
    ]  # fmt: skip
    assert items["a.jpg"].image.boxes[2].crowd
    words = " ".join(problems)
    assert "Box 3 (dog) equals box 2. Merged." in words
    assert "annotation 5 of image 397133 has a segmentation that covers 3 pixels" in words
    assert "annotation 8 of image 397133 has a bbox that is not four numbers" in words
    assert "Box 6 (dog) has xmin 10 above xmax 5. Swapped." in words


def test_coco_in_several_files_and_roboflows_layout(tmp_path):
    """Splits by folder; categories from 0, of which the first is only a heading."""
    categories = [
        {"id": 0, "name": "cells", "supercategory": "none"},
        {"id": 1, "name": "RBC", "supercategory": "cells"},
    ]
    image = {"id": 0, "file_name": "a_jpg.rf.0c1.jpg", "width": 640, "height": 480}
    one = coco([{"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}], [image],
               categories)  # fmt: skip
    two = coco([{"id": 0, "image_id": 0, "category_id": 1, "bbox": [5, 6, 7, 8]}], [image],
               categories)  # fmt: skip
    kind, found, problems, _ = read(
        tmp_path,
        {"train/_annotations.coco.json": one, "valid/_annotations.coco.json": two},
        ["train/a_jpg.rf.0c1.jpg", "valid/a_jpg.rf.0c1.jpg"],
    )
    assert kind == "coco"
    assert found == {
        "train/a_jpg.rf.0c1.jpg": ("train", [("RBC", 1, 2, 4, 6)]),
        "valid/a_jpg.rf.0c1.jpg": ("val", [("RBC", 5, 6, 12, 14)]),
    }
    assert any("numbered anew" in problem for problem in problems)


def test_coco_ids_with_gaps_are_kept(tmp_path):
    categories = [{"id": 18, "name": "dog"}, {"id": 90, "name": "toothbrush"}]
    text = coco([box(1, bbox=[1, 2, 3, 4], category_id=90)], categories=categories)
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "instances_val2017.json").write_text(text)
    source = FolderFiles(tmp_path)
    reading = open_reading(source, lambda problem: None)
    assert {item.id: item.name for item in reading.label_map} == {18: "dog", 90: "toothbrush"}
    assert reading.splits == {"a.jpg": "val"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [{"id": 1}, ]}', "line 1: It is not valid JSON"),
        ('{"images": [\n{"id": 1,,}]}', "line 2: It is not valid JSON"),
        ('{"images": []}', 'It has no "images"'),
        ('{"images": [' + "[" * 5000, "line 1: It is (cut short|nested too deeply)"),
        ('{"annotations": [], "images": [{"id": ' + "9" * 6000 + "}]}", "thousands of digits"),
    ],
)
def test_coco_that_cannot_be_read_says_where(tmp_path, text, words):
    with pytest.raises(DatasetError, match=words):
        read(tmp_path, {"x.json": text})


def test_yolo_as_roboflow_ultralytics_and_labelimg_write_it(tmp_path):
    roboflow = {
        "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        "nc: 2\nnames: ['dog', 'cat']\n\nroboflow:\n  version: 3\n",
        "train/labels/a.txt": "0 0.5 0.5 0.25 0.5\n",
        "valid/labels/b.txt": "1 0.5 0.5 1 1\n",
        "README.roboflow.txt": "Exported on a day\n",
    }
    kind, found, problems, _ = read(
        tmp_path / "r", roboflow, ["train/images/a.jpg", "valid/images/b.jpg"]
    )
    assert kind == "yolo"
    assert found == {
        "train/images/a.jpg": ("train", [("dog", 240, 120, 400, 360)]),
        "valid/images/b.jpg": ("val", [("cat", 0, 0, 640, 480)]),
    }
    labelimg = {"classes.txt": "dog\ncat\n", "a.txt": "1 0.5 0.5 0.25 0.5\n"}
    kind, found, problems, _ = read(tmp_path / "l", labelimg, ["a.jpg", "none.jpg"])
    assert found == {"a.jpg": ("data", [("cat", 240, 120, 400, 360)]), "none.jpg": ("data", [])}
    assert any("1 images have no label file" in problem for problem in problems)
    darknet = {
        "obj.names": "dog\n", "obj.data": "classes = 1\ntrain = data/train.txt\n",
        "train.txt": "data/obj_train_data/a.jpg\n", "obj_train_data/a.txt": "0 .5 .5 .25 .5\n",
    }  # fmt: skip
    kind, found, problems, _ = read(tmp_path / "d", darknet, ["obj_train_data/a.jpg"])
    assert found == {"obj_train_data/a.jpg": ("train", [("dog", 240, 120, 400, 360)])}
    pose = {"data.yaml": "train: images\nkpt_shape: [2, 3]\nnames: {0: dog}\n",
            "labels/a.txt": "0 .5 .5 .25 .5 .1 .1 2 .2 .2 2\n"}  # fmt: skip
    assert read(tmp_path / "p", pose, ["images/a.jpg"])[1]["images/a.jpg"] == (
        "train", [("dog", 240, 120, 400, 360)],
    )  # fmt: skip
    bare = {"labels/a.txt": "3 0.5 0.5 0.25 0.5\n"}
    kind, found, problems, _ = read(tmp_path / "b", bare, ["images/a.jpg"])
    assert found["images/a.jpg"][1] == [("class 3", 240, 120, 400, 360)]
    assert any("No names of classes were found" in problem for problem in problems)


def test_csv_of_the_tutorial_of_vott_of_open_images_and_of_retinanet(tmp_path):
    tutorial = (
        "filename,width,height,class,xmin,ymin,xmax,ymax\r\na.jpg,640,480,dog,1,2,30,40\r\n"
        "a.jpg,640,480,cat,5,6,x,8\r\nb.jpg,640,480,,,,,\r\n"
    )
    kind, found, problems, _ = read(
        tmp_path / "t", {"test_labels.csv": tutorial}, ["images/a.jpg", "images/b.jpg"]
    )
    assert kind == "csv"
    assert found == {
        "images/a.jpg": ("test", [("dog", 1, 2, 30, 40)]), "images/b.jpg": ("test", []),
    }  # fmt: skip
    assert "test_labels.csv, line 3: Its xmax is 'x', which is not a number. Left out." in problems
    vott = '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",1.5,2,30.25,40,"dog"\n'
    kind, found, _, _ = read(tmp_path / "v", {"vott-csv-export/x-export.csv": vott})
    assert found == {"a.jpg": ("data", [("dog", 1.5, 2, 30.25, 40)])}
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
    header += "IsGroupOf\n"
    openimages = header + "a,xclick,/m/0bt9lr,1,0.25,0.5,0.1,0.2,0,1,1\n"
    kind, found, _, items = read(tmp_path / "o", {"boxes.csv": openimages})
    assert found == {"a.jpg": ("data", [("/m/0bt9lr", 160, 48, 320, 96)])}
    assert items["a.jpg"].image.boxes[0].crowd
    retinanet = "C:\\data\\a.jpg,1,2,30,40,dog\nC:\\data\\b.jpg,,,,,\n"
    kind, found, _, _ = read(tmp_path / "k", {"anno.csv": retinanet}, ["a.jpg", "b.jpg"])
    assert found == {"a.jpg": ("data", [("dog", 1, 2, 30, 40)]), "b.jpg": ("data", [])}


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><id>4</id><name>t</name><labels>
    <label><name>dog</name><color>#fa3253</color><type>any</type></label>
    <label><name>cat</name></label></labels></task></meta>
  <image id="0" name="a.jpg" subset="Train" width="640" height="480">
    <box label="dog" source="manual" occluded="1" xtl="10.50" ytl="20" xbr="30" ybr="40">
      <attribute name="difficult">true</attribute>
    </box>
    <box label="cat" occluded="0" xtl="100" ytl="100" xbr="200" ybr="120" rotation="90.0"/>
    <polygon label="dog" occluded="0" points="1,2;3,4;5,1"/>
    <ellipse label="dog" cx="50" cy="60" rx="10" ry="20"/>
    <mask label="cat" rle="0, 12" left="4" top="5" width="6" height="7"/>
    <points label="dog" points="1,2"/>
    <box label="dog" xtl="nan" ytl="20" xbr="30" ybr="40"/>
    <tag label="dog"/>
  </image>
  <image id="1" name="deep/b.jpg" width="640" height="480"/>
</annotations>
"""


def test_cvat(tmp_path):
    kind, found, problems, items = read(
        tmp_path, {"annotations.xml": CVAT}, ["images/a.jpg", "images/deep/b.jpg"]
    )
    assert kind == "cvat"
    assert found["images/a.jpg"] == ("train", [
        ("dog", 10.5, 20, 30, 40), ("cat", 140, 60, 160, 160), ("dog", 1, 1, 5, 4),
        ("dog", 40, 40, 60, 80), ("cat", 4, 5, 10, 12),
    ])  # fmt: skip
    assert found["images/deep/b.jpg"] == ("data", [])
    first = items["images/a.jpg"].image.boxes[0]
    assert (first.difficult, first.truncated) == (True, True)
    words = " ".join(problems)
    assert "line 15: a.jpg, shape 6: It is points, which has no box. Left out." in words
    assert "shape 7: Its xtl is 'nan'" in words
    assert "turned by 90 degrees; the box around it was taken" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotations><track id='0' label='dog'/></annotations>", "CVAT for images 1.1"),
        ("<annotations><image>", "not well-formed XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations>&a;</annotations>', "declares an entity"),
    ],
)
def test_cvat_that_cannot_be_read(tmp_path, text, words):
    with pytest.raises(DatasetError, match=words):
        read(tmp_path, {"a.xml": text})


def test_labelme(tmp_path):
    shapes = [
        {"label": "dog", "points": [[30, 40], [10, 20]], "group_id": None,
         "shape_type": "rectangle", "flags": {"difficult": True}},
        {"label": "cat", "points": [[1, 2], [5, 1], [3, 9]], "shape_type": "polygon", "flags": {}},
        {"label": "cat", "points": [[50, 50], [60, 50]], "shape_type": "circle", "flags": {}},
        {"label": "dog", "points": [[1, 2]], "shape_type": "point", "flags": {}},
        {"label": "dog", "points": [[1, "x"], [3, 4]], "shape_type": "rectangle"},
    ]  # fmt: skip
    text = json.dumps({
        "version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": "..\\a.jpg",
        "imageData": "x" * 100_000, "imageHeight": 480, "imageWidth": 640,
    })  # fmt: skip
    broken = '{"version": "5", "shapes": [\n{"label": "dog",,}]}'
    kind, found, problems, items = read(
        tmp_path, {"json/renamed.json": text, "b.json": broken}, ["a.jpg", "b.jpg", "c.jpg"]
    )
    assert kind == "labelme"
    assert found == {
        "a.jpg": ("data", [("dog", 10, 20, 30, 40), ("cat", 1, 1, 5, 9), ("cat", 40, 40, 60, 60)])
    }
    assert items["a.jpg"].image.boxes[0].difficult
    words = " ".join(problems)
    assert "Shape 4: A point of 1 points has no box. Left out." in words
    assert "Shape 5: Its point [1, 'x'] is not two finite numbers" in words
    assert "b.json, line 2: It is not valid JSON" in words
    assert "c.jpg: There is no annotation for this image" in words


def region(kind: str, label: str, **value) -> dict:
    return {"type": kind, "from_name": "label", "to_name": "image", "original_width": 640,
            "original_height": 480, "image_rotation": 0,
            "value": {"rotation": 0, kind: [label], **value}}  # fmt: skip


def test_label_studio(tmp_path):
    dog = region("rectanglelabels", "dog", x=10, y=20, width=30, height=40)
    turned = region("rectanglelabels", "cat", x=50, y=50, width=10, height=10, rotation=90)
    polygon = region("polygonlabels", "cat", points=[[1, 1], [2, 1], [2, 3]])
    tasks = [
        {"id": 1, "data": {"image": "/data/upload/3/1a2b3c4d-a.jpg"}, "annotations": [
            {"id": 1, "was_cancelled": True, "result": [dog, dog]},
            {"id": 2, "was_cancelled": False, "updated_at": "2024-02-01", "result": [
                dog, turned, polygon, {"type": "choices", "value": {"choices": ["x"]}},
                region("brushlabels", "dog", format="rle", rle=[1]),
            ]},
            {"id": 3, "updated_at": "2024-01-01", "result": []},
        ]},
        {"id": 2, "data": {"image": "/data/local-files/?d=some%20where/b.jpg"},
         "annotations": [{"id": 4, "result": []}]},
        {"id": 3, "data": {"image": "s3://bucket/c.jpg"}, "annotations": [],
         "predictions": [{"result": [dog]}]},
        {"id": 4, "data": {"text": "no image"}, "annotations": [{"result": []}]},
    ]  # fmt: skip
    kind, found, problems, _ = read(
        tmp_path / "json", {"project-1.json": json.dumps(tasks)}, ["a.jpg", "b.jpg", "c.jpg"]
    )
    assert kind == "labelstudio"
    assert found == {
        "a.jpg": ("data", [("dog", 64, 96, 256, 288), ("cat", 272, 240, 320, 304),
                           ("cat", 6.4, 4.8, 12.8, 14.4)]),
        "b.jpg": ("data", []),
    }  # fmt: skip
    words = " ".join(problems)
    assert "Task 1: It has 2 annotations" in words
    assert "region 5: A region of the type 'brushlabels' has no box. Left out." in words
    assert "Task 4: It has no image. Left out." in words
    assert "c.jpg: There is no annotation for this image" in words
    short = [{"id": 1, "image": "/data/upload/3/1a2b3c4d-a.jpg", "annotator": 1, "label": [
        {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["dog"],
         "original_width": 640, "original_height": 480}]}]  # fmt: skip
    kind, found, _, _ = read(tmp_path / "min", {"min.json": json.dumps(short)})
    assert (kind, found) == ("labelstudio", {"a.jpg": ("data", [("dog", 64, 96, 256, 288)])})


def test_voc_of_roboflow_with_folders_as_splits(tmp_path):
    xml = (
        "<annotation><folder></folder><filename>a_jpg.rf.77.jpg</filename>"
        "<path>a_jpg.rf.77.jpg</path><source><database>roboflow.com</database></source>"
        "<size><width>640</width><height>480</height><depth>3</depth></size><segmented>0</segmented>"
        "<object><name>dog</name><pose>Unspecified</pose><truncated>0</truncated>"
        "<difficult>0</difficult><occluded>0</occluded><bndbox><xmin>1</xmin><xmax>30</xmax>"
        "<ymin>2</ymin><ymax>40</ymax></bndbox></object></annotation>"
    )
    kind, found, _, _ = read(
        tmp_path,
        {
            "train/a_jpg.rf.77.xml": xml,
            "valid/b_jpg.rf.78.xml": xml.replace("a_jpg.rf.77", "b_jpg"),
        },
        ["train/a_jpg.rf.77.jpg", "valid/b_jpg.rf.78.jpg"],
    )
    assert kind == "voc"
    assert found == {
        "train/a_jpg.rf.77.jpg": ("train", [("dog", 1, 2, 30, 40)]),
        "valid/b_jpg.rf.78.jpg": ("val", [("dog", 1, 2, 30, 40)]),
    }


def test_voc_with_shapes_that_are_no_boxes(tmp_path):
    """Roboflow's polygons, and roLabelImg's turned boxes (a quarter turn, in radians)."""
    polygon = "".join(
        f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate([(1, 2), (9, 3), (4, 8)], 1)
    )
    turned = "<cx>100</cx><cy>100</cy><w>40</w><h>20</h><angle>1.5707963</angle>"
    xml = (
        "<annotation><filename>a.jpg</filename><size><width>640</width><height>480</height></size>"
        f"<object><name>dog</name><polygon>{polygon}</polygon></object>"
        f"<object><name>cat</name><robndbox>{turned}</robndbox></object>"
        "<object><name>cat</name><polygon><x1>3</x1><y1>4</y1></polygon></object></annotation>"
    )
    _, found, problems, _ = read(tmp_path, {"a.xml": xml})
    assert found["a.jpg"][1] == [("dog", 1, 2, 9, 8), ("cat", 90, 80, 110, 120)]
    words = " ".join(problems)
    assert "Box 1 (dog) is a polygon; the box around it was taken." in words
    assert "Box 2 (cat) is turned; the box around it was taken." in words
    assert "Box 3 (cat) has no <bndbox>. Left out." in words


def test_photos_alone_have_no_format(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture())
    (tmp_path / "notes.txt").write_text("a list\n1 2 3\n")
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert open_reading(FolderFiles(tmp_path), lambda problem: None) is None
