"""What all tests may use."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("BOXLOOP_SHARED") or Path(__file__).resolve().parents[2] / "shared")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it skip without it."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"{SHARED} is not there: the reference data lies outside the project.")
    return SHARED
