"""The images page and what is done there to many images at once."""

from typing import Any

import pytest
from django.http import QueryDict

from webapp.datasets.grid import CHUNK, COLUMNS, ImageFilter
from webapp.datasets.models import Image
from webapp.labeling.models import Annotation, Operation


def page(project: Any, query: str = "") -> str:
    return f"/projects/{project.pk}/images/{query}"


def names(response: Any) -> list[str]:
    return [cell.image.name for cell in response.context["cells"]]


def test_the_page_shows_photos_with_their_boxes(
    client_of: Any, viewer: Any, project: Any, make_image: Any
) -> None:
    image = make_image(project, "cat.jpg", boxes=[("cat", 10, 10, 30, 30)])
    text = client_of(viewer).get(page(project)).content.decode()
    assert "cat.jpg" in text
    assert "M10.0 10.0H30.0V30.0H10.0Z" in text
    assert f"/projects/{project.pk}/label/{image.pk}/" in text
    assert "1 of 1" in text


def test_a_viewer_can_neither_tick_nor_upload(
    client_of: Any, viewer: Any, project: Any, make_image: Any
) -> None:
    make_image(project)
    text = client_of(viewer).get(page(project)).content.decode()
    assert "selbar" not in text
    assert "pick-files" not in text


def test_an_empty_project_says_what_to_do(client_of: Any, annotator: Any, project: Any) -> None:
    text = client_of(annotator).get(page(project)).content.decode()
    assert "Drop photos, a folder or a zip here" in text
    assert "Pascal VOC" in text


def test_a_stranger_gets_404(client_of: Any, stranger: Any, project: Any) -> None:
    assert client_of(stranger).get(page(project)).status_code == 404


def test_post_is_405(client_of: Any, owner: Any, project: Any) -> None:
    assert client_of(owner).post(page(project)).status_code == 405


@pytest.fixture
def album(project: Any, make_image: Any) -> dict[str, Any]:
    made = {
        "train": make_image(project, "b_train.jpg", boxes=[("cat", 1, 1, 9, 9)], split="train"),
        "dogs": make_image(
            project, "a_dogs.jpg", boxes=[("dog", 1, 1, 9, 9), ("dog", 9, 9, 20, 20)], split="val"
        ),
        "empty": make_image(project, "c_empty.jpg", done=False),
        "suggested": make_image(project, "d_suggested.jpg", done=False),
    }
    Annotation.objects.create(
        image=made["suggested"],
        label=project.labels.get(name="cat"),
        xmin=1, ymin=1, xmax=9, ymax=9,
        status="suggested", source="model", score=0.9,
    )  # fmt: skip
    made["suggested"].count_boxes()
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=DOGS", ["a_dogs.jpg"]),
        ("?split=train", ["b_train.jpg"]),
        ("?split=none", ["d_suggested.jpg", "c_empty.jpg"]),
        ("?state=done", ["a_dogs.jpg", "b_train.jpg"]),
        ("?suggestions=1", ["d_suggested.jpg"]),
        ("?boxes=none", ["d_suggested.jpg", "c_empty.jpg"]),
        ("?boxes=none&suggestions=1", ["d_suggested.jpg"]),
        ("?sort=oldest", ["b_train.jpg", "a_dogs.jpg", "c_empty.jpg", "d_suggested.jpg"]),
        ("?sort=name", ["a_dogs.jpg", "b_train.jpg", "c_empty.jpg", "d_suggested.jpg"]),
        ("?sort=boxes", ["a_dogs.jpg", "b_train.jpg", "d_suggested.jpg", "c_empty.jpg"]),
        ("?q=nothing", []),
        ("?split=nonsense&state=%00&label=-3&sort=;&import=99999999999999999999",
         ["d_suggested.jpg", "c_empty.jpg", "a_dogs.jpg", "b_train.jpg"]),
    ],
)  # fmt: skip
def test_filters_and_orders(
    client_of: Any, viewer: Any, project: Any, album: Any, query: str, expected: list[str]
) -> None:
    response = client_of(viewer).get(page(project, query))
    assert response.status_code == 200
    assert names(response) == expected
    assert f"{len(expected)} of 4" in response.content.decode()


def test_the_label_filter_counts_annotations_not_suggestions(
    client_of: Any, viewer: Any, project: Any, album: Any
) -> None:
    cat = project.labels.get(name="cat")
    assert names(client_of(viewer).get(page(project, f"?label={cat.pk}"))) == ["b_train.jpg"]


def test_suggestions_are_dashed(client_of: Any, viewer: Any, project: Any, album: Any) -> None:
    text = client_of(viewer).get(page(project, "?suggestions=1")).content.decode()
    assert "bc dashed" in text
    assert "1 suggestion" in text


def test_htmx_gets_the_grid_and_the_filters_only(
    client_of: Any, viewer: Any, project: Any, album: Any
) -> None:
    response = client_of(viewer).get(page(project, "?split=val"), headers={"HX-Request": "true"})
    text = response.content.decode()
    assert "<html" not in text
    assert "hx-swap-oob" in text
    assert "HX-Request" in response["Vary"]
    assert 'id="rail-done" hx-swap-oob="true"' in response.content.decode()


def test_trashed_images_are_not_shown(
    client_of: Any, viewer: Any, project: Any, album: Any
) -> None:
    from django.utils import timezone

    Image.objects.filter(pk=album["dogs"].pk).update(trashed_at=timezone.now())
    assert "a_dogs.jpg" not in names(client_of(viewer).get(page(project)))


def many_images(project: Any, count: int) -> None:
    Image.objects.bulk_create(
        Image(project=project, name=f"{i:05}.jpg", sha256=f"{i:064}", format="jpeg",
              bytes=1, width=64, height=48)
        for i in range(count)
    )  # fmt: skip


def test_the_grid_comes_in_chunks(client_of: Any, viewer: Any, project: Any) -> None:
    many_images(project, 2 * CHUNK + 7)
    client = client_of(viewer)
    response = client.get(page(project))
    assert len(response.context["cells"]) == CHUNK
    assert [chunk.count for chunk in response.context["chunks"]] == [CHUNK, CHUNK, 7]
    many_images_after = Image(project=project, name="late.jpg", sha256="f" * 64, format="jpeg",
                              bytes=1, width=1, height=1)  # fmt: skip
    many_images_after.save()
    last = client.get(page(project, response.context["chunks"][2].query))
    assert [cell.image.name for cell in last.context["cells"]] == [
        f"{i:05}.jpg" for i in range(6, -1, -1)
    ]


@pytest.mark.parametrize("chunk", ["x", "-1", "", "9" * 30])
def test_a_chunk_that_is_no_number_is_404(
    client_of: Any, viewer: Any, project: Any, chunk: str
) -> None:
    assert client_of(viewer).get(page(project, f"?chunk={chunk}")).status_code == 404


def test_every_choice_of_columns_divides_a_chunk() -> None:
    assert all(CHUNK % columns == 0 for columns in COLUMNS)


def test_the_number_of_queries_does_not_grow_with_the_images(
    client_of: Any, viewer: Any, project: Any, django_assert_max_num_queries: Any
) -> None:
    many_images(project, 300)
    client = client_of(viewer)
    with django_assert_max_num_queries(20):
        client.get(page(project))
    with django_assert_max_num_queries(13):
        client.get(page(project, "?chunk=2"))


def test_a_filter_survives_its_own_address() -> None:
    chosen = ImageFilter(text="a b&c", split="val", label=3, no_boxes=True, sort="name")
    assert ImageFilter.parse(QueryDict(chosen.query()[1:])) == chosen


# ---- Many at once


def bulk(client: Any, project: Any, **fields: Any) -> Any:
    return client.post(f"/projects/{project.pk}/images/bulk/", fields)


def ids(*images: Any) -> str:
    return ",".join(str(image.pk) for image in images)


def test_set_state(client_of: Any, annotator: Any, project: Any, album: Any) -> None:
    answer = bulk(
        client_of(annotator), project, action="state", value="done",
        ids=ids(album["empty"], album["suggested"]),
    )  # fmt: skip
    assert answer.json() == {"count": 2, "words": "2 images marked done."}
    album["empty"].refresh_from_db()
    assert album["empty"].state == "done"
    assert album["empty"].done_at is not None
    bulk(client_of(annotator), project, action="state", value="new", ids=ids(album["empty"]))
    album["empty"].refresh_from_db()
    assert (album["empty"].state, album["empty"].done_at) == ("new", None)


def test_set_split_and_group(client_of: Any, annotator: Any, project: Any, album: Any) -> None:
    client = client_of(annotator)
    assert (
        bulk(client, project, action="split", value="test", ids=ids(album["train"])).status_code
        == 200
    )
    assert (
        bulk(client, project, action="group", value="a day", ids=ids(album["train"])).status_code
        == 200
    )
    album["train"].refresh_from_db()
    assert (album["train"].split, album["train"].group) == ("test", "a day")
    bulk(client, project, action="split", value="", ids=ids(album["train"]))
    album["train"].refresh_from_db()
    assert album["train"].split == ""


def test_accept_suggestions_is_an_operation_of_each_image(
    client_of: Any, annotator: Any, project: Any, album: Any
) -> None:
    answer = bulk(client_of(annotator), project, action="accept", ids=ids(*album.values()))
    assert answer.json()["words"] == "1 suggestion accepted in 1 image."
    image = album["suggested"]
    image.refresh_from_db()
    assert (image.box_count, image.suggestion_count, image.revision) == (1, 0, 1)
    assert Operation.objects.get(image=image).user == annotator


def test_trash_and_undo(client_of: Any, annotator: Any, project: Any, album: Any) -> None:
    client = client_of(annotator)
    before = bulk(client, project, action="trash", ids=ids(album["empty"])).json()
    answer = bulk(client, project, action="trash", ids=ids(album["train"], album["dogs"])).json()
    assert answer["count"] == 2
    undone = bulk(client, project, action="restore", value=answer["undo"]).json()
    assert undone["words"] == "2 images restored."
    assert Image.objects.kept().filter(project=project).count() == 3
    assert before["undo"] != answer["undo"]


def test_all_of_the_filter_but_some(
    client_of: Any, annotator: Any, project: Any, album: Any
) -> None:
    answer = bulk(
        client_of(annotator), project, action="split", value="train", all="1", split="none",
        but=ids(album["empty"]),
    )  # fmt: skip
    assert answer.json()["count"] == 1
    album["suggested"].refresh_from_db()
    album["empty"].refresh_from_db()
    assert (album["suggested"].split, album["empty"].split) == ("train", "")


def test_all_leaves_what_came_later_alone(
    client_of: Any, annotator: Any, project: Any, album: Any
) -> None:
    upto = album["dogs"].pk
    answer = bulk(client_of(annotator), project, action="trash", all="1", upto=upto)
    assert answer.json()["count"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "state", "value": "done"},
        {"action": "state", "value": "done", "ids": "1,x"},
        {"action": "state", "value": "finished", "ids": "1"},
        {"action": "split", "value": "holdout", "ids": "1"},
        {"action": "group", "value": "g" * 201, "ids": "1"},
        {"action": "explode", "ids": "1"},
        {"action": "restore", "value": "yesterday"},
        {"action": "restore", "value": "2026-02-31T00:00:00+00:00"},
        {"ids": "1"},
    ],
)
def test_bad_requests_say_what_is_wrong(
    client_of: Any, annotator: Any, project: Any, fields: dict[str, str]
) -> None:
    answer = bulk(client_of(annotator), project, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith((".", "”."))


def test_ids_of_another_project_are_not_touched(
    client_of: Any, annotator: Any, owner: Any, project: Any, make_image: Any
) -> None:
    from webapp.projects.models import Project

    other = Project.objects.create(name="Other", created_by=owner)
    foreign = make_image(other, "foreign.jpg")
    answer = bulk(client_of(annotator), project, action="trash", ids=ids(foreign))
    assert answer.json()["count"] == 0
    foreign.refresh_from_db()
    assert foreign.trashed_at is None


def test_bulk_takes_an_annotator(
    client_of: Any, viewer: Any, stranger: Any, owner: Any, project: Any, album: Any
) -> None:
    fields = {"action": "trash", "ids": ids(album["train"])}
    assert bulk(client_of(viewer), project, **fields).status_code == 403
    assert bulk(client_of(stranger), project, **fields).status_code == 404
    assert client_of(owner).get(f"/projects/{project.pk}/images/bulk/").status_code == 405
