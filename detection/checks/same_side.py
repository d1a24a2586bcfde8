"""How images that belong together come to lie in one split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detection.checks.finding import counted
from detection.checks.survey import Edit, SurveyedImage


def moves_to_one_side(images: Sequence[SurveyedImage]) -> tuple[Edit, ...]:
    """What brings all of them into one split: train where one of them is there, else val.

    Into train and not out of it: a model has learned from a picture that was ever in train, and
    an evaluation that loses an image stays true. Images in no split are left alone.
    """
    splits = Counter(image.split for image in images if image.split)
    if len(splits) < 2:
        return ()
    target = next(split for split in ("train", "val", "test") if split in splits)
    return tuple(
        Edit("set_split", image.name, None, target, image.split)
        for image in images
        if image.split and image.split != target
    )


def words_for_moves(moves: Sequence[Edit]) -> str:
    """ "Move 2 images from val to train." """
    if not moves:
        return ""
    sources = " and ".join(sorted({str(move.before) for move in moves}))
    return f"Move {counted(len(moves), 'image')} from {sources} to {moves[0].value}."
