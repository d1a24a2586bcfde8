"""Django settings. Every choice is an environment variable (docs/operating.md lists them)."""

import hashlib
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from webapp import environment

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    VAR_DIR = environment.directory("BOXLOOP_VAR", BASE_DIR / "var")
    SECRET_KEY = environment.secret_key(VAR_DIR)
    DEBUG = environment.flag("BOXLOOP_DEBUG", False)
    HTTPS = environment.flag("BOXLOOP_HTTPS", False)
    ALLOWED_HOSTS = environment.names("BOXLOOP_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
    DATABASES = {"default": environment.database(VAR_DIR)}
    CELERY_BROKER_URL = environment.broker_url(VAR_DIR)
    DEFAULT_STORAGE = environment.storage(VAR_DIR)
    WORK_DIR = environment.directory("BOXLOOP_WORK", VAR_DIR / "work")
    BASES_DIR = environment.directory("BOXLOOP_BASES", VAR_DIR / "bases")
    MAX_UPLOAD_BYTES = 1024**2 * environment.whole_number(
        "BOXLOOP_MAX_UPLOAD_MB", 51200, 1, 1048576
    )
    MAX_REQUEST_BYTES = 1024**2 * environment.whole_number(
        "BOXLOOP_MAX_REQUEST_MB", 1024, 17, 51200
    )
    MAX_PHOTO_BYTES = 1024**2 * environment.whole_number("BOXLOOP_MAX_PHOTO_MB", 512, 1, 4096)
    MAX_UNPACKED_BYTES = 1024**2 * environment.whole_number(
        "BOXLOOP_MAX_UNPACKED_MB", 102400, 1, 10485760
    )
    KEEP_FREE_BYTES = 1024**2 * environment.whole_number("BOXLOOP_KEEP_FREE_MB", 512, 0, 1048576)
    DECODE_MEMORY_BYTES = 1024**2 * environment.whole_number(
        "BOXLOOP_DECODE_MEMORY_MB", 2048, 64, 65536
    )
    DECODE_SECONDS = environment.whole_number("BOXLOOP_DECODE_SECONDS", 60, 1, 3600)
    MAX_ENTRIES = environment.whole_number("BOXLOOP_MAX_ENTRIES", 400_000, 1, 5_000_000)
    IMPORT_ROOTS = environment.import_roots("BOXLOOP_IMPORT_ROOTS")
    IMPORT_PREFIXES = environment.import_prefixes("BOXLOOP_IMPORT_PREFIXES")
    KEEP_DETECTIONS_DAYS = environment.whole_number("BOXLOOP_KEEP_DETECTIONS_DAYS", 30, 0, 36_500)
    MAX_PIXELS = 1_000_000 * environment.whole_number("BOXLOOP_MAX_MEGAPIXELS", 100, 1, 2000)
except environment.BadSetting as error:
    raise ImproperlyConfigured(str(error)) from error

TESTING = "pytest" in sys.modules

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "webapp.accounts",
    "webapp.projects",
    "webapp.datasets",
    "webapp.labeling",
    "webapp.training",
    "webapp.inference",
    "webapp.bases",
    "workers",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "webapp.urls"
ASGI_APPLICATION = "webapp.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "projects:start"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["webapp.templatetags.boxloop"],
            "libraries": {"boxloop": "webapp.templatetags.boxloop"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.projects.rail.project_rail",
            ],
        },
    }
]


def static_version(folder: Path) -> str:
    """A hash of the static files' bytes.

    It stands in STATIC_URL, so that every file, and every relative import between ES modules,
    changes its address when any of them changes, and all may be cached for ever.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_URL = f"/static/{static_version(BASE_DIR / 'static')}/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = DEBUG or TESTING
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 0 if DEBUG else 365 * 24 * 3600
STORAGES = {
    "default": DEFAULT_STORAGE,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_THOUSAND_SEPARATOR = False

SESSION_ENGINE = "webapp.accounts.sessions"
SESSION_COOKIE_AGE = 30 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# One host name can carry several Boxloops on several ports; cookies know no ports.
SESSION_COOKIE_NAME = "boxloop_session"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "webapp.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = environment.names("BOXLOOP_TRUSTED_ORIGINS", [])
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        # Bars and class colours are style attributes; style elements stay forbidden.
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": ["'self'", "blob:", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

FILE_UPLOAD_TEMP_DIR = str(environment.directory("BOXLOOP_UPLOAD_TMP", VAR_DIR / "tmp"))
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024**2
DATA_UPLOAD_MAX_NUMBER_FILES = 200
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024**2

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 3, "socket_keepalive": True}
# A request must not hang for minutes because the broker is away: the row is queued, the
# sweeper sends it again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
