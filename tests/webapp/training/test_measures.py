"""What is worked out of metrics.json, by hand."""

from datetime import timedelta

import pytest

from detection.training.machine import guessed_images_per_second
from tests.webapp.training.rows import BASE, make_model, make_run
from webapp.leases import Status
from webapp.training.charts import place, precision_recall
from webapp.training.errors_shown import _fit
from webapp.training.forecast import forecast_facts, forecast_seconds, machine_pace
from webapp.training.measures import measures_of
from webapp.training.models import EpochMetrics


def test_totals_come_from_the_confusion_matrix(project):
    totals = measures_of(make_model(make_run(project, 1, Status.FINISHED))).totals
    # Rows are what is there: 15 and 12 right, 2 dogs called cats, 1 missed, 4 false.
    assert (totals.boxes, totals.found, totals.wrong_label, totals.missed) == (30, 27, 2, 1)
    assert totals.false == 4
    assert totals.recall == pytest.approx(27 / 30)
    assert totals.precision == pytest.approx(27 / 33)


def test_a_matrix_that_does_not_fit_its_labels_is_left_out(project):
    run = make_run(project, 1, Status.FINISHED)
    metrics = {"confusion": {"labels": ["cat", "background"], "matrix": [[1, 0]]}}
    measures = measures_of(make_model(run, metrics=metrics))
    assert (measures.confusion, measures.totals) == ([], None)


def test_corners_of_the_precision_recall_chart():
    assert place(0, 0) == (36.0, 202.0)
    assert place(1, 1) == (348.0, 10.0)
    assert precision_recall([], None, None).mark is None


@pytest.mark.parametrize(
    ("centre", "across", "window"),
    [
        ((400, 300), 400, (200, 150, 400, 300)),  # in the middle
        ((0, 0), 400, (0, 0, 400, 300)),  # pushed in from the corner
        ((800, 600), 400, (400, 300, 400, 300)),
        ((400, 300), 9999, (0, 0, 800, 600)),  # never more than the picture
    ],
)
def test_a_crop_stays_in_the_picture(centre, across, window):
    assert _fit(*centre, across, 800, 600) == pytest.approx(window)


def test_the_pace_is_that_of_the_last_run_here(project):
    pace = machine_pace()
    assert (pace.images_per_second, pace.measured) == (guessed_images_per_second(), False)
    assert pace.images_per_second > 0
    make_run(project, 1, Status.FINISHED, images_per_second=10, input_size=600)
    pace = machine_pace()
    assert (pace.images_per_second, pace.measured) == (40, True)


def test_another_kind_of_base_has_no_forecast_before_its_first_run(project):
    other = "faster_rcnn_inception_v2_coco"
    make_run(project, 1, Status.FINISHED, images_per_second=10)
    facts = forecast_facts(3, 1, 384, None, [BASE, other])
    assert facts["bases"][BASE]["auto_size"] == 384
    assert facts["bases"][other]["auto_words"] == "600 px, the base's own, for the shorter side"
    assert "crop" in facts["changes"]
    assert "crop" not in facts["bases"][other]["changes"]
    assert facts["bases"][other]["images_per_second"] is None
    assert forecast_seconds({**facts, **facts["bases"][other]}, 10, 600) is None
    run = make_run(project, 2, Status.FINISHED, images_per_second=2, input_size=600)
    type(run).objects.filter(pk=run.pk).update(base=other)
    assert machine_pace(other).images_per_second == 8
    assert machine_pace().images_per_second == 10


def test_a_forecast_grows_with_the_area_of_the_images():
    facts = {"images": 100, "val": 20, "images_per_second": 20, "judging": 0.1, "start_seconds": 15}
    facts["most_evaluations"] = 40
    small, large = (forecast_seconds(facts, 10, size) for size in (300, 600))
    assert (large - 15) == pytest.approx(4 * (small - 15))


def test_a_forecast_is_what_the_same_run_took(project):
    run = make_run(project, 1, Status.FINISHED, images_per_second=99, memory_bytes=2_000_000_000)
    run.finished_at = run.started_at + timedelta(seconds=400)
    run.save()
    EpochMetrics.objects.create(run=run, epoch=30, seconds=300)
    facts = forecast_facts(3, 1, 300, None)
    assert forecast_seconds(facts, 30, 300) == pytest.approx(400)
    assert facts["memory"] == 2_000_000_000


def test_a_forecast_tells_learning_from_judging_and_from_starting(project):
    # 20 s to start; each epoch 3 images in 3 s and one val image in 2 s; 15 s to finish.
    run = make_run(project, 1, Status.FINISHED, images_per_second=1, input_size=600)
    run.finished_at = run.started_at + timedelta(seconds=20 + 10 * 5 + 15)
    run.save()
    for epoch in range(1, 11):
        EpochMetrics.objects.create(run=run, epoch=epoch, seconds=20 + 5 * epoch, map_50_95=0.1)
    facts = forecast_facts(3, 1, 600, None)
    assert forecast_seconds(facts, 10, 600) == pytest.approx(85)
    assert forecast_seconds(facts, 100, 600) == pytest.approx(35 + 300 + 40 * 2)
    assert forecast_seconds({**facts, "images": 6, "val": 3}, 10, 600) == pytest.approx(35 + 120)
    # Where the steps' pace was told too slow, nothing is left for judging, and the sum still holds.
    type(run).objects.filter(pk=run.pk).update(images_per_second=0.1)
    assert forecast_seconds(forecast_facts(3, 1, 600, None), 10, 600) == pytest.approx(85)
