"""Exports that are asked for on a model's page."""

import re

import pytest
from django.urls import reverse

from tests.webapp.training.rows import METRICS, make_model, make_run
from webapp.leases import Status
from webapp.training.export_models import ModelExport

ROW = {
    "artefact": "saved_model, own resize",
    "pictures": 28,
    "boxes": 200,
    "lost": 0,
    "share": 1.0,
    "median_iou": 0.999,
    "lowest_iou": 0.9618,
    "largest_score_difference": 0.021,
    "ap": 0.611,
    "ap_50": 0.93,
    "trained_ap": 0.612,
    "trained_ap_50": 0.931,
    "iou_tolerance": 0.9,
    "score_tolerance": 0.1,
    "share_tolerance": 1.0,
    "ap_loss_tolerance": 0.01,
}


@pytest.fixture
def model(project):
    metrics = {**METRICS, "exports": [ROW], "not_exported": {"onnx": "No ONNX here, because."}}
    return make_model(make_run(project, 3, Status.FINISHED), metrics=metrics)


def cells(text, title):
    """The words of the table's row of the form `title`: what agrees, AP, AP50 and the size."""
    rows = re.findall(r"<tr.*?</tr>", text[text.index('id="exports"') :], re.DOTALL)
    for row in rows:
        named = re.search(r'<th scope="row".*?>([^<]+)<', row, re.DOTALL)
        if named and named[1] == title:
            found = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
            return [
                " ".join(re.sub(r'<span class="name".*?</span>|<div.*|<[^>]+>', " ", cell).split())
                for cell in found[:4]
            ]
    raise AssertionError(f"no row {title}")


def at(name, model, *args):
    return reverse(f"training:{name}", args=[model.project_id, model.pk, *args])


def post(client, url):
    return client.post(url, headers={"HX-Request": "true"})


def test_the_page_shows_what_there_is_what_can_be_had_and_how_alike(client_of, viewer, model):
    text = client_of(viewer).get(at("model", model)).content.decode()
    assert "IoU ≥ 0.962 (0.90)" in text
    assert "score ± 0.021 (0.10)" in text
    row = cells(text, "SavedModel")
    assert row == ["100 % of 200", "61.1 %", "93.0 %", "12 B"], "agreement, AP, AP50 and size"
    assert cells(text, "LiteRT float32") == ["–", "–", "–", "6 B"], "it was never compared"
    assert "LiteRT int8" in text
    assert "No ONNX here, because." in text
    assert "Make it" not in text  # a viewer makes nothing


def test_an_export_stands_beside_the_trained_model_and_its_own_resize_comes_first(
    client_of, viewer, model
):
    model.artefacts += [{"name": "checkpoint", "path": "checkpoint", "bytes": 12_900_000}]
    same = {**ROW, "artefact": "saved_model", "ap": 0.612, "share": 0.955, "share_tolerance": 0.95}
    model.metrics["exports"] = [same, ROW]
    model.save()
    text = client_of(viewer).get(at("model", model)).content.decode()
    assert cells(text, "Trained model") == ["–", "61.2 %", "93.1 %", "12.9 MB"]
    assert cells(text, "SavedModel")[1] == "61.1 %"
    scaled = cells(text, "SavedModel, photos that are scaled already")
    assert scaled[:2] == ["96 % of 200", "61.2 %"]
    assert "95 % of the boxes needed" in text
    assert "beside" not in text
    model.metrics["exports"] = [same, {**ROW, "trained_ap": 0.6}]
    model.save()
    text = client_of(viewer).get(at("model", model)).content.decode()
    assert cells(text, "SavedModel")[1] == "61.1 % trained 60.0 %", "when this one was compared"
    assert text.index("Other files") < text.index("label_map.pbtxt, class ids from 1")


def test_asking_twice_queues_one_and_the_page_follows_it(client_of, annotator, model):
    client = client_of(annotator)
    for _ in range(2):
        text = post(client, at("export", model, "litert_int8")).content.decode()
    assert "Waiting for a worker" in text
    assert 'hx-trigger="every 1s"' in text
    (row,) = ModelExport.objects.all()
    assert (row.form, row.created_by, row.status) == ("litert_int8", annotator, Status.QUEUED)
    text = post(client, at("export_cancel", model, "litert_int8")).content.decode()
    assert "Waiting" not in text
    row.refresh_from_db()
    assert row.status == Status.CANCELLED


def test_a_failure_is_told_and_can_be_tried_again(client_of, annotator, model):
    ModelExport.objects.create(model=model, form="frozen_graph", status="failed", reason="Lost 3.")
    text = client_of(annotator).get(at("model", model)).content.decode()
    assert "Lost 3." in text
    assert "Try again" in text
    post(client_of(annotator), at("export", model, "frozen_graph"))
    assert model.exports.filter(status=Status.QUEUED).count() == 1


def test_what_is_there_is_not_made_again(client_of, annotator, model):
    post(client_of(annotator), at("export", model, "litert"))
    assert not ModelExport.objects.exists()


def test_who_may_not(client_of, viewer, stranger, annotator, model):
    url = at("export", model, "onnx")
    assert client_of(viewer).post(url).status_code == 403
    assert client_of(stranger).post(url).status_code == 404
    assert client_of(annotator).get(url).status_code == 405
    assert client_of(annotator).post(at("export", model, "coreml")).status_code == 404
    assert client_of(stranger).get(at("exports", model)).status_code == 404
    assert client_of(viewer).post(at("export_cancel", model, "onnx")).status_code == 403


def test_a_form_that_its_kind_never_has_is_not_offered(client_of, annotator, model):
    model.base = "faster_rcnn_inception_v2_coco"
    model.save()
    client = client_of(annotator)
    text = client.get(at("model", model)).content.decode()
    assert "Make it: LiteRT int8" not in text
    assert "Rounded weights move" in text
    # What a model of an older version says of other forms is out of date.
    assert "No ONNX here" not in text
    assert "Make it: ONNX" in text
    assert (
        "Rounded weights move" in post(client, at("export", model, "litert_int8")).content.decode()
    )
    assert not ModelExport.objects.exists()
