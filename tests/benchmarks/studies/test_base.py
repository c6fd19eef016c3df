import pytest

from benchmarks.studies import base

STUDY = """
def measure():
    return 1


def plot(rows):
    return "blue"


def table(rows):
    return rows, "ms"
"""


@pytest.mark.parametrize(("old", "is_same"), [('"blue"', True), ('"ms"', True), ("1", False)])
def test_the_presentation_of_a_study_is_not_in_its_key(tmp_path, old, is_same):
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text(STUDY)
    after.write_text(STUDY.replace(old, "2"))
    assert (base.code_digest(str(before)) == base.code_digest(str(after))) == is_same
