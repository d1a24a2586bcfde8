"""Two models beside each other: by how much, on what, and whether that says which is better."""

import pytest
from django.urls import reverse

from tests.webapp.training.rows import METRICS, make_model, make_run
from webapp.datasets.freezing import freeze
from webapp.labeling.models import Annotation
from webapp.leases import Status
from webapp.training.model_comparison import compare_models

# 20 draws each; of the differences 0.1, 0.11 … 0.29 the middle 95 % lie between.
DRAWS = {"map_50": [0.5] * 20, "map_50_95": [0.4] * 20}
BETTER = {"map_50": [0.6] * 20, "map_50_95": [0.5 + step / 100 for step in range(20)]}
WORDS = "These scores do not say which is better"


@pytest.fixture
def pictures(project, make_image):
    """Four images for training and two for validation, all done."""
    splits = ["train"] * 4 + ["val"] * 2
    return [
        make_image(project, f"{index}.jpg", boxes=[("cat", 5, 5, 30, 30)], split=split)
        for index, split in enumerate(splits)
    ]


def model_of(project, owner, number, resampled=None, freezing=True, **fields):
    """A model of a run on what is there now, or on the revision that is there."""
    revision = freeze(project, owner) if freezing else project.revisions.first()
    run = make_run(project, number, Status.FINISHED, best_epoch=9, epoch=12)
    type(run).objects.filter(pk=run.pk).update(revision=revision)
    run.refresh_from_db()
    return make_model(run, number, metrics={**METRICS, "resampled": resampled}, **fields)


def page(client, one, other=None):
    url = reverse("training:compare", args=[one.project_id, one.pk])
    return client.get(f"{url}?with={other.pk}" if other else url)


def test_judged_on_the_same_images_draw_by_draw(client_of, viewer, owner, project, pictures):
    old = model_of(project, owner, 1, DRAWS, map_50_95=0.41)
    new = model_of(project, owner, 2, BETTER)
    text = page(client_of(viewer), new, old).content.decode()
    assert WORDS not in text
    assert "+20.0 points" in text
    assert "+10.5 to +28.5" in text
    assert "Model 2 is better than Model 1" in text
    assert "9 of 12" in text
    assert "<b>Both:</b> 30 validation boxes are few" in text
    assert "<b>Model 1:</b>" not in text
    other_way = compare_models(old, new)
    assert other_way.verdict == "worse"
    assert other_way.ap.difference == pytest.approx(-0.2)


def test_too_close_to_tell(owner, project, pictures):
    # 40 draws: the other one is ahead in half of them.
    old = model_of(project, owner, 1, {"map_50_95": [0.4] * 40})
    new = model_of(project, owner, 2, {"map_50_95": [0.3, 0.5] * 20})
    assert compare_models(new, old).verdict == "close"


def test_without_the_draws_luck_is_not_known(client_of, viewer, owner, project, pictures):
    old, new = model_of(project, owner, 1), model_of(project, owner, 2, BETTER)
    assert compare_models(new, old).verdict == "unknown"
    assert (
        "How much of this is luck is not known"
        in page(client_of(viewer), new, old).content.decode()
    )


def test_other_images_are_said_and_nothing_is_concluded(
    client_of, viewer, owner, project, pictures, make_image
):
    old = model_of(project, owner, 1, DRAWS)
    make_image(project, "more.jpg", boxes=[("cat", 5, 5, 30, 30)], split="val")
    new = model_of(project, owner, 2, BETTER)
    text = page(client_of(viewer), new, old).content.decode()
    assert WORDS in text
    assert (
        "Model 2 was judged on 3 images of r2, Model 1 on 2 images of r1; 2 are the same." in text
    )
    assert "Model 2 is better" not in text
    assert compare_models(new, old).ap.interval is None


def test_more_images_to_learn_from_are_no_objection(owner, project, pictures, make_image):
    old = model_of(project, owner, 1, DRAWS)
    make_image(project, "more.jpg", boxes=[("cat", 5, 5, 30, 30)], split="train")
    comparison = compare_models(model_of(project, owner, 2, BETTER), old)
    assert (comparison.reasons, comparison.verdict) == ([], "better")
    learnt = next(fact for fact in comparison.facts if fact.title == "Images to learn from")
    assert (learnt.one, learnt.other, learnt.differs) == ("5", "4", True)


def test_changed_boxes_are_said(owner, project, pictures):
    old = model_of(project, owner, 1, DRAWS)
    Annotation.objects.filter(image=pictures[5]).update(xmax=25)
    (reason,) = compare_models(model_of(project, owner, 2, BETTER), old).reasons
    assert reason == "The boxes of 1 image that both were judged on were changed between r1 and r2."


def test_other_labels_are_said(owner, project, pictures):
    old = model_of(project, owner, 1, DRAWS)
    labels = [*old.labels, {"id": 3, "name": "fox"}]
    (reason,) = compare_models(model_of(project, owner, 2, BETTER, labels=labels), old).reasons
    assert reason == "Only Model 2 knows fox: AP is the mean over other labels."


def test_without_a_choice_it_is_the_model_before(client_of, viewer, owner, project, pictures):
    client = client_of(viewer)
    old = model_of(project, owner, 1)
    alone = page(client, old)
    assert alone.url == reverse("training:model", args=[project.pk, old.pk])
    assert "/compare/" not in client.get(alone.url).content.decode()
    new = model_of(project, owner, 2)
    newest = model_of(project, owner, 3)
    assert page(client, newest).url.endswith(f"?with={new.pk}")
    assert page(client, old).url.endswith(f"?with={newest.pk}")
    assert "/compare/" in client.get(alone.url).content.decode()


def test_people(client_of, stranger, viewer, owner, project, pictures, make_user):
    one, other = model_of(project, owner, 1), model_of(project, owner, 2)
    assert page(client_of(stranger), one, other).status_code == 404
    url = reverse("training:compare", args=[project.pk, one.pk])
    client = client_of(viewer)
    assert client.get(f"{url}?with=99").status_code == 404
    assert client.post(url).status_code == 405
