"""Configures Django. Import this module before any other of the package."""

import atexit
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

import django
from django.conf import settings

FOLDER = Path(tempfile.mkdtemp(prefix="reference-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": FOLDER / "reference.sqlite3",
    "OPTIONS": {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;",
        "transaction_mode": "IMMEDIATE",  # a writer waits for the lock (timeout) instead of failing in the middle
        "timeout": 20,
    },
}
DATABASE = os.environ.get("REFERENCE_DATABASE")  # another database, as Django's dictionary in JSON

settings.configure(
    DEBUG=False,
    SECRET_KEY="reference",
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF="tests.contract.reference.api",
    APPEND_SLASH=True,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework.authtoken",
        "django_filters",
        "tests.contract.reference",
    ],
    DATABASES={"default": json.loads(DATABASE) if DATABASE else SQLITE},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    TIME_ZONE="America/Santiago",
    USE_TZ=True,
    USE_I18N=False,
    LOGGING_CONFIG=None,
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
for name in ("django.request", "waitress.queue"):  # every 4xx, and every request that waits for a worker
    logging.getLogger(name).setLevel(logging.ERROR)
django.setup()
