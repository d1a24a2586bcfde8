"""Where things lie: the checkout, the environment, and all that a running Boxloop keeps."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


FOLDER_SETTINGS = (
    "BOXLOOP_VAR",
    "BOXLOOP_BASES",
    "BOXLOOP_VENV",
    "BOXLOOP_WORK",
    "BOXLOOP_UPLOAD_TMP",
)


def make_absolute() -> None:
    """Boxloop starts in its checkout: a relative folder must go on meaning the caller's."""
    for variable in FOLDER_SETTINGS:
        if value := os.environ.get(variable):
            os.environ[variable] = str(Path(value).expanduser().absolute())


def _folder(variable: str, default: Path) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def var_dir() -> Path:
    """Database, files, logs, sockets: all state. Several Boxloops need several of these."""
    return _folder("BOXLOOP_VAR", ROOT / "var")


def bases_dir() -> Path:
    """The pretrained bases, which copies may share."""
    return _folder("BOXLOOP_BASES", var_dir() / "bases")


def venv_dir() -> Path:
    """The Python environment."""
    return _folder("BOXLOOP_VENV", ROOT / ".venv")


def log_dir() -> Path:
    folder = var_dir() / "log"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
