"""The dataset page, freezing, and what a frozen revision offers."""

import json
from typing import Any

import numpy as np
import pytest

from webapp.datasets.charts import heat_map, histogram, nice_step
from webapp.datasets.forms import FreezeForm
from webapp.datasets.freezing import freeze
from webapp.datasets.statistics import dataset_statistics


def address(project: Any, tail: str = "") -> str:
    return f"/projects/{project.pk}/dataset/{tail}"


@pytest.fixture
def album(project: Any, make_image: Any) -> list[Any]:
    return [
        make_image(project, "1.jpg", boxes=[("cat", 0, 0, 30, 30), ("dog", 10, 10, 20, 30)]),
        make_image(project, "2.jpg", boxes=[("cat", 5, 5, 45, 45)], split="val"),
        make_image(project, "3.jpg"),
        make_image(project, "4.jpg", boxes=[("cat", 5, 5, 9, 9)], done=False),
    ]


@pytest.fixture
def revision(project: Any, album: Any, owner: Any) -> Any:
    return freeze(project, owner, name="first")


def test_statistics(project: Any, album: Any) -> None:
    found = dataset_statistics(project)
    assert (found.images, found.done, found.boxes) == (4, 3, 4)
    assert found.splits == {"train": 0, "val": 1, "test": 0, "none": 3}
    assert [(row.label.name, row.boxes, row.images) for row in found.labels] == [
        ("cat", 3, 3),
        ("dog", 1, 1),
    ]
    assert found.labels[0].share == 0.75
    assert found.per_image == (1.0, 0, 2)
    # widths 30, 10, 40, 4; heights 30, 20, 40, 4
    assert found.median == (20.0, 25.0)
    # a side of 4 px of 64 x 48 is 21.7 px of 300 x 300; the others are above 76
    assert found.bands == {"small": 1, "medium": 1, "large": 2}
    assert sum(cell.share for cell in found.heat) >= 100


def test_statistics_leave_trash_and_suggestions_out(project: Any, album: Any) -> None:
    from webapp.datasets.selection import move_to_trash
    from webapp.labeling.models import Annotation

    move_to_trash(project.images.filter(pk=album[0].pk))
    Annotation.objects.filter(image=album[1]).update(status="suggested")
    found = dataset_statistics(project)
    assert (found.images, found.boxes) == (3, 1)


def test_statistics_of_nothing(project: Any) -> None:
    found = dataset_statistics(project)
    assert (found.images, found.boxes, found.median, found.per_image) == (0, 0, None, None)
    assert found.heat == []


@pytest.mark.parametrize(
    ("span", "parts", "step"), [(10, 5, 2), (11, 5, 5), (100, 4, 50), (0.9, 4, 0.5), (0, 4, 1)]
)
def test_nice_step(span: float, parts: int, step: float) -> None:
    assert nice_step(span, parts) == pytest.approx(step)


def test_histogram_stacks_and_says_where_most_lie() -> None:
    chart = histogram(
        np.array([[1, 0, 2], [3, 0, 0]]), ["red", "blue"], ["cat", "dog"],
        step=10, unit="px", noun="boxes",
    )  # fmt: skip
    assert len(chart.bars) == 3
    first, second = chart.bars[:2]
    assert second.y + second.height == pytest.approx(first.y)
    assert second.height == pytest.approx(3 * first.height)
    assert first.title == "cat, 0 to 10 px: 1"
    assert chart.words == "Most boxes (4) lie at 0 to 10 px."
    assert chart.y_ticks[-1].text == "4"


def test_heat_map_keeps_the_edges() -> None:
    cells, most = heat_map(np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]))
    assert [(cell.x, cell.y, cell.share) for cell in cells] == [(0, 0, 50), (31, 23, 100)]
    assert most == 2


def test_the_page(client_of: Any, viewer: Any, project: Any, revision: Any) -> None:
    text = client_of(viewer).get(address(project)).content.decode()
    assert "Boxes per label" in text
    assert "Will this train?" in text
    assert f"{project.pk}/dataset/1/" in text
    assert "freeze-form" not in text  # a viewer freezes nothing


def test_the_page_says_why_it_would_not_train(
    client_of: Any, annotator: Any, project: Any, make_image: Any
) -> None:
    make_image(project, done=False)
    text = client_of(annotator).get(address(project)).content.decode()
    assert "Not yet" in text
    assert "No image is marked done" in text
    assert "disabled" in text


def test_an_empty_dataset_says_what_comes(client_of: Any, viewer: Any, project: Any) -> None:
    text = client_of(viewer).get(address(project)).content.decode()
    assert "Numbers come with the images" in text


def post_freeze(client: Any, project: Any, **fields: Any) -> Any:
    return client.post(address(project, "freeze/"), {"val": 20, "test": 0, "seed": 3, **fields})


def test_freeze(client_of: Any, annotator: Any, project: Any, album: Any) -> None:
    response = post_freeze(client_of(annotator), project, name=" before holidays ")
    assert response.status_code == 302
    assert response["Location"] == address(project, "1/")
    row = project.revisions.get()
    assert (row.name, row.seed, row.num_images, row.num_boxes) == ("before holidays", 3, 3, 3)
    assert row.created_by == annotator
    album[1].refresh_from_db()
    assert album[1].split == "val"  # kept


@pytest.mark.parametrize(
    "fields",
    [{"val": ""}, {"val": -1}, {"val": 91}, {"val": 60, "test": 40}, {"test": "x"}, {"seed": -1}],
)
def test_bad_fractions_are_refused_in_words(
    client_of: Any, annotator: Any, project: Any, album: Any, fields: dict[str, Any]
) -> None:
    response = post_freeze(client_of(annotator), project, **fields)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()
    assert not project.revisions.exists()


def test_what_cannot_train_is_not_frozen(
    client_of: Any, annotator: Any, project: Any, make_image: Any
) -> None:
    make_image(project, done=False)
    response = post_freeze(client_of(annotator), project)
    assert response.status_code == 400
    assert "No image is marked done" in response.content.decode()


def test_fractions_add_up() -> None:
    form = FreezeForm({"val": 15, "test": 5})
    assert form.is_valid()
    assert form.fractions() == (0.8, 0.15, 0.05)


def test_the_revision_page(client_of: Any, viewer: Any, project: Any, revision: Any) -> None:
    text = client_of(viewer).get(address(project, "1/")).content.decode()
    assert revision.sha256 in text
    assert "first" in text
    assert "records/" in text


def test_the_manifest(client_of: Any, viewer: Any, project: Any, revision: Any) -> None:
    response = client_of(viewer).get(address(project, "1/manifest.json"))
    assert response["Content-Type"] == "application/json"
    assert 'filename="Pets r1.json"' in response["Content-Disposition"]
    assert len(json.loads(response.content)["images"]) == 3


def test_the_label_map_as_it_was_frozen(
    client_of: Any, viewer: Any, project: Any, revision: Any
) -> None:
    project.labels.filter(name="cat").update(name="tiger")
    text = client_of(viewer).get(address(project, "1/label_map.pbtxt")).content.decode()
    assert "cat" in text
    assert "tiger" not in text


def test_records_are_streamed(
    client_of: Any, viewer: Any, project: Any, revision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.datasets import records

    monkeypatch.setattr(
        records, "stream_records", lambda row: iter([b"PK", b"rest"]), raising=False
    )
    response = client_of(viewer).get(address(project, "1/records/"))
    assert response["Content-Type"] == "application/zip"
    assert 'filename="Pets r1-tfrecords.zip"' in response["Content-Disposition"]
    assert response.is_async
    assert b"".join(response) == b"PKrest"


READS = ["", "1/", "1/manifest.json", "1/label_map.pbtxt", "1/records/"]


@pytest.mark.parametrize("tail", READS)
def test_reading_is_for_members(
    client_of: Any, stranger: Any, owner: Any, project: Any, revision: Any, tail: str
) -> None:
    assert client_of(stranger).get(address(project, tail)).status_code == 404
    assert client_of(owner).post(address(project, tail)).status_code == 405


@pytest.mark.parametrize("tail", [tail.replace("1/", "7/") for tail in READS[1:]])
def test_an_unknown_revision_is_404(
    client_of: Any, owner: Any, project: Any, revision: Any, tail: str
) -> None:
    assert client_of(owner).get(address(project, tail)).status_code == 404


def test_freezing_takes_an_annotator(
    client_of: Any, viewer: Any, stranger: Any, owner: Any, project: Any, album: Any
) -> None:
    assert post_freeze(client_of(viewer), project).status_code == 403
    assert post_freeze(client_of(stranger), project).status_code == 404
    assert client_of(owner).get(address(project, "freeze/")).status_code == 405
