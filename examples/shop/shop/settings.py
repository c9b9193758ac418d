"""Settings of the shop. What differs from machine to machine comes from the environment; `run.py` sets it for a demo,
`compose.yaml` for containers.
"""

from os import environ
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[1]
DATA = Path(environ.get("SHOP_DATA", BASE_DIR / "data"))

DEBUG = environ.get("SHOP_DEBUG") == "1"
SECRET_KEY = environ["SHOP_SECRET_KEY"]
ALLOWED_HOSTS = environ.get("SHOP_HOSTS", "127.0.0.1 localhost").split()

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_tasks",
    "fastkiq.contrib.django",
    "store",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "store.carts.in_pages",
            ],
        },
    },
]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "Europe/Berlin"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": environ.get("PGDATABASE", "shop"),
        "HOST": environ.get("PGHOST", ""),
        "PORT": environ.get("PGPORT", ""),
        "USER": environ.get("PGUSER", "shop"),
        "PASSWORD": environ.get("PGPASSWORD", ""),
    }
}

STATIC_URL = "static/"
STATIC_ROOT = DATA / "static"
MEDIA_URL = "media/"
MEDIA_ROOT = DATA / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"allow_overwrite": True}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    # Not below MEDIA_ROOT, which everybody can read.
    "invoices": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA / "invoices", "allow_overwrite": True},
    },
}

EMAIL_HOST = environ.get("SHOP_SMTP_HOST", "127.0.0.1")
EMAIL_PORT = int(environ.get("SHOP_SMTP_PORT", "8025"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = "Harbour Goods <shop@harbour.example>"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {name: {"level": "WARNING"} for name in ("django.server", "httpx")},  # not a line for each request
}

FASTKIQ = {
    "redis_url": environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"),
    "enqueue_after_commit": True,
    "queues": ["orders,4", "mail,2", "documents,2", "pictures,1", "low,1", "default,1"],
    "concurrency": 10,
}
TASKS = {"default": {"BACKEND": "fastkiq.contrib.django.FastkiqBackend", "QUEUES": ["mail"], "OPTIONS": {"RETRY": 10}}}

SHOP_URL = environ.get("SHOP_URL", "http://127.0.0.1:8000")
SHOP_DOMAIN = "harbour.example"
SHOP_PAYMENT_URL = environ.get("SHOP_PAYMENT_URL", "http://127.0.0.1:8026")
SHOP_PAYMENT_TIMEOUT = 3.0  # seconds
SHOP_RETRY_SECONDS = float(environ.get("SHOP_RETRY_SECONDS", "1"))  # before the first retry of a payment: twice that
SHOP_SHIPPING_SECONDS = float(environ.get("SHOP_SHIPPING_SECONDS", "20"))
