"""Will this train? The page, the worker's task, fixes and taking them back."""

import pytest
from django.urls import reverse

from webapp.datasets import works
from webapp.datasets.health import answer, latest_answer, queue_check
from webapp.datasets.health_fixes import NothingToFix, apply_fix, undo
from webapp.datasets.health_models import DatasetChange, HealthCheck, PhotoFacts
from webapp.leases import Status
from workers.health import run_health_check
from workers.tasks import check_after_import

HASH = "0123456789abcdef" * 4
GOOD = ("cat", 5, 5, 30, 30)


def url(name, project, *args):
    return reverse(f"datasets:{name}", args=[project.pk, *args])


def checked(project, user):
    check, _ = queue_check(project, user)
    run_health_check(check.pk, "worker")
    check.refresh_from_db()
    assert check.status == Status.FINISHED, check.reason
    return {result["key"]: result for result in check.results if result["count"]}


def give_facts(image, **facts):
    PhotoFacts.objects.create(image=image, **facts)


def boxes_of(image):
    rows = image.annotations.filter(status="active").order_by("xmin")
    return list(rows.values_list("label__name", "xmin", "ymin", "xmax", "ymax"))


def test_a_check_says_what_is_wrong_and_where(project, owner, make_image) -> None:
    twice = make_image(project, "twice.jpg", boxes=[GOOD, GOOD, ("dog", 0, 0, 64, 48)])
    found = checked(project, owner)
    assert found["duplicate-boxes"]["title"] == "1 box was drawn twice"
    finding = found["duplicate-boxes"]["findings"][0]
    assert (finding["image"], finding["name"], finding["box"]) == (twice.pk, "twice.jpg", 2)
    assert finding["gone"] == [[5, 5, 30, 30]]
    assert found["whole-image"]["num_fixes"] == 1


def test_facts_are_read_once(project, owner, make_image, monkeypatch) -> None:
    make_image(project, "a.jpg", boxes=[GOOD])
    checked(project, owner)
    facts = PhotoFacts.objects.get()
    assert (facts.mode, facts.orientation, facts.perceptual_hash) == ("RGB", 1, "")

    def never(image):
        raise AssertionError("read again")

    monkeypatch.setattr("workers.health.read_facts", never)
    checked(project, owner)


def test_a_lost_file_is_named_and_the_check_goes_on(project, owner, make_image, media) -> None:
    lost = make_image(project, "lost.jpg")
    (media / lost.original_path).unlink()
    found = checked(project, owner)
    assert "missing from the storage" in found["unreadable"]["findings"][0]["message"]


def test_a_check_delivered_twice_runs_once(project, owner, make_image) -> None:
    make_image(project, "a.jpg", boxes=[GOOD])
    check, new = queue_check(project, owner)
    assert new
    assert queue_check(project, owner) == (check, False)
    run_health_check(check.pk, "one")
    finished = HealthCheck.objects.get().finished_at
    run_health_check(check.pk, "two")
    assert HealthCheck.objects.get().finished_at == finished


def test_a_failure_is_said(project, owner, make_image, monkeypatch) -> None:
    make_image(project)

    def broken(project):
        raise RuntimeError("no such thing")

    monkeypatch.setattr("workers.health.answer", broken)
    check, _ = queue_check(project, owner)
    run_health_check(check.pk, "worker")
    check.refresh_from_db()
    assert check.status == Status.FAILED
    assert "no such thing" in check.reason


def test_a_fix_stands_in_the_history_and_can_be_taken_back(project, owner, make_image) -> None:
    image = make_image(project, "a.jpg", boxes=[GOOD, GOOD, ("dog", 1, 1, 9, 9)])
    other = make_image(project, "b.jpg", boxes=[GOOD, GOOD])
    before = {each.pk: boxes_of(each) for each in (image, other)}
    outcome = apply_fix(project, owner, "duplicate-boxes")
    assert (outcome.boxes, outcome.images) == (2, 2)
    image.refresh_from_db()
    assert (image.revision, image.box_count, image.state) == (1, 2, "done")
    assert image.operations.count() == 1
    with pytest.raises(NothingToFix):
        apply_fix(project, owner, "duplicate-boxes")
    undo(outcome.change, owner)
    assert {each.pk: boxes_of(each) for each in (image, other)} == before
    image.refresh_from_db()
    assert (image.revision, image.box_count) == (2, 3)
    with pytest.raises(NothingToFix):
        undo(DatasetChange.objects.get(), owner)


def test_undo_leaves_what_was_edited_since(project, owner, make_image) -> None:
    image = make_image(project, "a.jpg", boxes=[GOOD, GOOD])
    outcome = apply_fix(project, owner, "duplicate-boxes")
    image.refresh_from_db()
    image.revision += 1
    image.save()
    taken = undo(outcome.change, owner)
    assert taken.images == 0
    assert taken.left == ["a.jpg: it was edited since, and stays as it is."]
    assert len(boxes_of(image)) == 1


def test_fix_of_one_image_alone(project, owner, make_image) -> None:
    image = make_image(project, "a.jpg", boxes=[GOOD, GOOD])
    other = make_image(project, "b.jpg", boxes=[GOOD, GOOD])
    apply_fix(project, owner, "duplicate-boxes", [other.pk])
    assert (len(boxes_of(image)), len(boxes_of(other))) == (2, 1)


def test_variants_get_one_label(project, owner, make_image) -> None:
    project.add_label("Cat")
    image = make_image(project, boxes=[GOOD, ("cat", 9, 9, 20, 20), ("Cat", 31, 5, 50, 30)])
    apply_fix(project, owner, "label-variants")
    assert {row[0] for row in boxes_of(image)} == {"cat"}


def test_near_duplicates_in_two_splits_move_and_come_back(project, owner, make_image) -> None:
    one = make_image(project, "a.jpg", boxes=[GOOD], split="train")
    two = make_image(project, "b.jpg", boxes=[GOOD], split="val")
    for image in (one, two):
        give_facts(image, mode="RGB", perceptual_hash=HASH)
    outcome = apply_fix(project, owner, "near-duplicates")
    two.refresh_from_db()
    assert two.split == "train"
    undo(outcome.change, owner)
    two.refresh_from_db()
    assert two.split == "val"


def test_boxes_drawn_before_the_turn_are_turned_by_name(project, owner, make_image) -> None:
    image = make_image(project, "a.jpg", size=(48, 64), boxes=[("cat", 0, 0, 20, 10)])
    give_facts(image, mode="RGB", orientation=6)
    assert "turned" not in {r["key"] for r in answer(project)[0] if r["count"]}
    image.annotations.update(source="import")
    result = next(r for r in answer(project)[0] if r["key"] == "turned")
    assert (result["severity"], result["sure"]) == ("info", False)
    apply_fix(project, owner, "turned")
    assert boxes_of(image) == [("cat", 38, 0, 48, 20)]


def test_after_an_import_the_project_is_checked(project, owner, sent) -> None:
    row = project.imports.create(
        name="a.zip", created_by=owner, status=Status.FINISHED, num_taken=3
    )
    from django.test import TestCase

    with TestCase.captureOnCommitCallbacks(execute=True):
        check_after_import(row.pk)
    assert sent == [("workers.tasks.check_health", HealthCheck.objects.get().pk)]


def test_the_page(client_of, project, viewer, owner, make_image) -> None:
    client = client_of(viewer)
    assert b"There is nothing to check yet" in client.get(url("health", project)).content
    make_image(project, "a.jpg", boxes=[GOOD, GOOD])
    assert b"Not checked yet" in client.get(url("health", project)).content
    checked(project, owner)
    page = client.get(url("health", project)).content.decode()
    assert "1 box was drawn twice" in page
    assert "Remove 1" not in page  # A viewer looks.
    assert "Remove 1" in client_of(owner).get(url("health", project)).content.decode()
    one = client.get(url("health", project) + "?check=duplicate-boxes")
    assert b"a.jpg" in one.content
    assert client.get(url("health", project) + "?check=nothing").status_code == 404
    assert b"1 box was drawn twice" in client.get(url("dataset", project)).content


def test_a_check_that_waits_shows_how_far_it_is(client_of, project, owner, make_image) -> None:
    make_image(project)
    client = client_of(owner)
    assert client.post(url("health_start", project)).status_code == 302
    assert b"Waiting for a worker" in client.get(url("health", project)).content
    client.post(url("health_cancel", project))
    assert HealthCheck.objects.get().status == Status.CANCELLED


def test_fix_and_undo_by_the_buttons(client_of, project, annotator, make_image) -> None:
    image = make_image(project, "a.jpg", boxes=[GOOD, GOOD])
    client = client_of(annotator)
    assert client.post(url("health_fix", project, "duplicate-boxes")).status_code == 302
    assert len(boxes_of(image)) == 1
    assert latest_answer(project) is not None
    change = DatasetChange.objects.get()
    back = url("splits", project)
    answer = client.post(url("change_undo", project, change.pk), {"back": back})
    assert answer.url == back
    assert len(boxes_of(image)) == 2
    foreign = client.post(url("change_undo", project, change.pk), {"back": "//evil.example/"})
    assert foreign.url == url("health", project)


def test_a_worker_checks_a_large_project_again(
    client_of, project, annotator, make_image, sent, monkeypatch
) -> None:
    monkeypatch.setattr(works, "LARGE", 0)
    image = make_image(project, "a.jpg", boxes=[GOOD, GOOD])
    fix = url("health_fix", project, "duplicate-boxes")
    assert client_of(annotator).post(fix, {"image": image.pk}).status_code == 302
    assert len(boxes_of(image)) == 1
    check = HealthCheck.objects.get()
    assert check.status == Status.QUEUED


def test_who_may_do_what(client_of, project, viewer, stranger, make_image) -> None:
    make_image(project, boxes=[GOOD, GOOD])
    for user, status in ((viewer, 403), (stranger, 404)):
        assert client_of(user).post(url("health_fix", project, "tiny")).status_code == status
        assert client_of(user).post(url("health_cancel", project)).status_code == status
    assert client_of(stranger).get(url("health", project)).status_code == 404
    assert client_of(viewer).get(url("health_fix", project, "tiny")).status_code == 405
    assert client_of(viewer).get(url("health_start", project)).status_code == 405


def test_an_unknown_fix_is_404(client_of, project, owner) -> None:
    assert client_of(owner).post(url("health_fix", project, "nothing")).status_code == 404
