from detection.types import Box, Detection, Problem


def test_box_gives_its_corners():
    assert Box("cat", 1, 2, 3, 4).xyxy == (1, 2, 3, 4)
    assert Detection("cat", 1, 0.5, 1, 2, 3, 4).xyxy == (1, 2, 3, 4)


def test_problem_reads_as_a_sentence_about_a_file():
    assert str(Problem("a.xml", "It is empty.")) == "a.xml: It is empty."
    assert str(Problem("a.xml", "It is empty.", line=3)) == "a.xml, line 3: It is empty."
