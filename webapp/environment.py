"""Settings come from the environment only; each is checked here, once, at start.

Every function raises `BadSetting` with a sentence that names the variable, its value and
what would be right, so that a typo stops the start and not the first upload.
"""

import hashlib
import os
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import dj_database_url


class BadSetting(ValueError):
    """An environment variable holds something that Boxloop cannot start with."""


def flag(name: str, default: bool) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name} is {value!r}. Set it to 1 or 0.")


def whole_number(name: str, default: int, least: int, most: int) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise BadSetting(f"{name} is {value!r}. Set it to a whole number from {least} to {most}.")
    return number


def names(name: str, default: list[str]) -> list[str]:
    """A comma-separated list."""
    value = os.environ.get(name, "")
    return [part.strip() for part in value.split(",") if part.strip()] or default


def import_roots(name: str) -> list[Path]:
    """Folders of this machine that may be imported from; none without a setting."""
    roots = [Path(part).expanduser() for part in names(name, [])]
    for root in roots:
        if not root.is_absolute() or not root.is_dir():
            raise BadSetting(
                f"{name}: {root} is no folder that is there, by its whole path. "
                "Name folders with commas between them, such as /data/photos,/mnt/sets."
            )
    return [root.resolve() for root in roots]


def import_prefixes(name: str) -> list[str]:
    """Folders of the storage that may be imported from; never Boxloop's own."""
    prefixes = [part.strip("/") for part in names(name, [])]
    for prefix in prefixes:
        parts = prefix.split("/")
        if not prefix or parts[0] == "projects" or ".." in parts:
            raise BadSetting(
                f"{name}: {prefix!r} cannot be imported from; Boxloop keeps its own files in "
                "projects/. Name another folder of the storage, such as incoming."
            )
    return prefixes


def directory(name: str, default: Path) -> Path:
    path = Path(os.environ.get(name) or default).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(
            f"{name}: {path} cannot be made ({error.strerror}). "
            "Choose a folder that this user may write."
        ) from error
    return path


def secret_key(var: Path) -> str:
    """BOXLOOP_SECRET_KEY, or a key that is generated once and kept, readable by its owner only."""
    given = os.environ.get("BOXLOOP_SECRET_KEY", "")
    if given:
        if len(given) < 32:
            raise BadSetting(
                f"BOXLOOP_SECRET_KEY has {len(given)} characters. "
                "Give it at least 32, or leave it out."
            )
        return given
    kept = var / "secret_key"
    if not kept.exists():
        # Written beside and linked into place, so that two processes that start at once agree.
        handle, beside = tempfile.mkstemp(dir=var, prefix="secret_key.")
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, kept)
        except FileExistsError:
            pass
        finally:
            os.unlink(beside)
    return kept.read_text().strip()


SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    # Without WAL and IMMEDIATE, concurrent writers lose writes ("database is locked").
    "transaction_mode": "IMMEDIATE",
    # FULL: what was acknowledged survives a power cut, too.
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "PRAGMA busy_timeout=20000; PRAGMA foreign_keys=ON;"
    ),
}
SQLITE: dict[str, Any] = {
    "ENGINE": "webapp.sqlite",
    "OPTIONS": SQLITE_OPTIONS,
    # In memory: processes that test side by side share nothing.
    "TEST": {"NAME": ":memory:"},
}


def database(var: Path) -> dict[str, Any]:
    url = os.environ.get("DATABASE_URL", "").strip()
    if not url:
        return {**SQLITE, "NAME": str(var / "boxloop.sqlite3")}
    try:
        config = dict(dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True))
    except (ValueError, KeyError) as error:
        raise BadSetting(
            "DATABASE_URL is not understood. Write postgres://USER:PASSWORD@HOST:5432/NAME "
            "or sqlite:////absolute/path.sqlite3."
        ) from error
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config |= SQLITE
    return config


def broker_socket(var: Path) -> Path:
    """Where the embedded broker listens. The system caps a socket's path, so a deep `var` gets a
    folder of this user in the temporary folder instead; every process finds the same."""
    path = var / "run" / "broker.sock"
    if len(os.fsencode(path)) <= (103 if sys.platform == "darwin" else 107):
        return path
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"boxloop-{os.getuid()}-{mark}" / "broker.sock"


def broker_url(var: Path) -> str:
    """REDIS_URL for Celery; by default the embedded server's Unix socket."""
    url = os.environ.get("REDIS_URL", "").strip()
    if not url:
        return f"redis+socket://{broker_socket(var)}"
    scheme = urlsplit(url).scheme
    if scheme == "unix":
        return "redis+socket" + url[len("unix") :]
    if scheme not in {"redis", "rediss", "redis+socket"}:
        raise BadSetting(
            f"REDIS_URL begins with {scheme!r}. Write redis://HOST:6379/0, rediss:// or unix:///path."
        )
    return url


def storage(var: Path) -> dict[str, Any]:
    """STORAGE_URL as a Django storage: file:///path, s3://, gs:// or azure://bucket[/prefix][?option=value]."""
    url = os.environ.get("STORAGE_URL", "").strip()
    if not url:
        return _file_storage(var / "media")
    parts = urlsplit(url)
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    prefix = unquote(parts.path).strip("/")
    if parts.scheme == "file":
        return _file_storage(Path(unquote(parts.path)))
    if not parts.netloc:
        raise BadSetting(
            f"STORAGE_URL is {url!r}: it names no bucket. "
            "Write s3://BUCKET/PREFIX, gs://, azure:// or file:///absolute/path."
        )
    if parts.scheme == "s3":
        options |= {"bucket_name": parts.netloc, "location": prefix, "file_overwrite": True}
        options.setdefault("default_acl", None)
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    if parts.scheme == "gs":
        options |= {"bucket_name": parts.netloc, "location": prefix, "file_overwrite": True}
        return {"BACKEND": "storages.backends.gcloud.GoogleCloudStorage", "OPTIONS": options}
    if parts.scheme == "azure":
        options |= {"azure_container": parts.netloc, "location": prefix, "overwrite_files": True}
        return {"BACKEND": "storages.backends.azure_storage.AzureStorage", "OPTIONS": options}
    raise BadSetting(
        f"STORAGE_URL begins with {parts.scheme!r}. Write file:///path, s3://, gs:// or azure://."
    )


def _file_storage(folder: Path) -> dict[str, Any]:
    return {
        "BACKEND": "webapp.storage.FolderStorage",
        "OPTIONS": {"location": str(folder)},
    }
