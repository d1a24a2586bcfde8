"""Models: the list, the page, the name and the downloads."""

import io
import zipfile

import pytest
from django.urls import reverse

from tests.webapp.training.rows import FILES, make_model, make_run
from webapp.leases import Status


@pytest.fixture
def model(project):
    return make_model(make_run(project, 3, Status.FINISHED))


def at(name, model, *args):
    return reverse(f"training:{name}", args=[model.project_id, model.pk, *args])


def test_list(client_of, viewer, project, model):
    text = client_of(viewer).get(reverse("training:models", args=[project.pk])).content.decode()
    assert "Model 1" in text
    assert "93.4 %" in text
    assert "28 images, 30 boxes" in text


def test_list_without_models_says_what_to_do(client_of, viewer, project):
    text = client_of(viewer).get(reverse("training:models", args=[project.pk])).content.decode()
    assert "Train a model" in text


def test_page(client_of, viewer, project, model):
    text = client_of(viewer).get(at("model", model)).content.decode()
    assert "AP50 on 28 validation images, 30 boxes" in text
    assert "30 validation boxes are few" in text
    assert "27 of 30" in text  # on the confusion matrix's diagonal
    assert "2 wrong label" in text
    assert "Of the 20 detections with 90 % to 100 % confidence, 95 % are right." in text
    assert "40.0 % to 70.0 %" in text  # of AP50–95
    assert "Best for each label alone" in text
    assert "<dd>33 %</dd>" in text
    assert "2 validation images show almost the same as a training image" in text
    assert "dog is the weakest" in text
    assert "cat called dog" in text
    assert model.run.revision.sha256[:16] in text


def test_page_of_a_model_that_finds_nothing(client_of, viewer, project):
    nothing = {
        "map_50": 0.0, "map_50_95": 0.0, "num_images": 8, "num_boxes": 80, "score_threshold": 0.5,
        "precision_recall": {},
        "exports": [{
            "artefact": "saved_model", "boxes": 0, "share": 1.0, "lowest_iou": 1.0,
            "largest_score_difference": 0.0, "iou_tolerance": 0.98, "score_tolerance": 0.02,
        }],
    }  # fmt: skip
    run = make_run(project, 3, Status.FINISHED)
    model = make_model(run, metrics=nothing, map_50=0.0, map_50_95=0.0, score_threshold=0.5)
    text = client_of(viewer).get(at("model", model)).content.decode()
    assert "It finds nothing of what is there" in text
    assert "Nothing was found, so there is no curve." in text
    assert "no box was found" in text
    assert "best balance" not in text
    assert "the usual one: nothing was there to choose it by" in text


def test_page_of_a_model_without_measures(client_of, viewer, project):
    bare = make_model(
        make_run(project, 4, Status.FINISHED), 2, metrics={}, artefacts=[], labels=[],
        map_50=None, map_50_95=None,
    )  # fmt: skip
    text = client_of(viewer).get(at("model", bare)).content.decode()
    assert "This model has no curves." in text
    assert "was not recorded" in text


def test_names_are_text(client_of, owner, project, model):
    client_of(owner).post(at("rename", model), {"name": "<b>best</b>"})
    text = client_of(owner).get(at("model", model)).content.decode()
    assert "&lt;b&gt;best&lt;/b&gt;" in text
    assert "<b>best</b>" not in text


def test_rename(client_of, annotator, model):
    client = client_of(annotator)
    assert client.post(at("rename", model), {"name": " Night shift "}).status_code == 302
    model.refresh_from_db()
    assert str(model) == "Night shift"
    client.post(at("rename", model), {"name": ""})
    model.refresh_from_db()
    assert str(model) == "Model 1"
    assert client.post(at("rename", model), {"name": "x" * 101}).status_code == 422


def test_download_of_a_file(client_of, viewer, model):
    response = client_of(viewer).get(at("download", model, "litert"))
    assert response.content == b"litert"
    assert response["Content-Disposition"] == 'attachment; filename="boxloop-model-1.tflite"'


def names_in(response):
    body = b"".join(response)
    assert len(body) == int(response["Content-Length"])
    archive = zipfile.ZipFile(io.BytesIO(body))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_download_of_a_folder_is_a_zip(client_of, viewer, model):
    files = names_in(client_of(viewer).get(at("download", model, "saved_model")))
    assert files == {
        "boxloop-model-1/saved_model/saved_model.pb": b"graph",
        "boxloop-model-1/saved_model/variables/variables.data": b"weights",
    }


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_download_of_everything(client_of, viewer, model):
    files = names_in(client_of(viewer).get(at("download", model, "everything")))
    about = files.pop("boxloop-model-1/about.json")
    assert model.run.revision.sha256 in about.decode()
    assert files == {f"boxloop-model-1/{name}": content for name, content in FILES.items()}


@pytest.mark.parametrize("artefact", ["nonesuch", "..", "model.json"])
def test_only_artefacts_can_be_downloaded(client_of, viewer, model, artefact):
    url = at("download", model, "x")[:-1] + artefact
    assert client_of(viewer).get(url).status_code == 404


def test_people(client_of, viewer, stranger, project, model):
    for url in (at("model", model), at("download", model, "everything")):
        assert client_of(stranger).get(url).status_code == 404
        assert client_of(viewer).post(url).status_code == 405
    models = reverse("training:models", args=[project.pk])
    assert client_of(stranger).get(models).status_code == 404
    assert client_of(viewer).post(models).status_code == 405
    assert client_of(stranger).post(at("rename", model)).status_code == 404
    assert client_of(viewer).post(at("rename", model)).status_code == 403
    assert client_of(viewer).get(at("rename", model)).status_code == 405
