"""A small project, as startproject makes it. DEPOT_DATABASE is its database, DEPOT has settings as JSON."""

import json
import os

from django import VERSION

SECRET_KEY = "of the tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "depot.urls"
WSGI_APPLICATION = "depot.wsgi.application"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    *(["django_tasks"] if VERSION < (6, 0) else []),
    "fastkiq.contrib.django",
    "depot.parcels",
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
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "OPTIONS": {"timeout": 20},
        "NAME": os.environ.get("DEPOT_DATABASE", ":memory:"),
    },
    "archive": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DEPOT_DATABASE", "") + ".archive"},
}
DATABASE_ROUTERS: list[str] = []
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
TASKS = {
    "default": {"BACKEND": "fastkiq.contrib.django.FastkiqBackend", "QUEUES": ["default", "mail"]},
    "stubborn": {
        "BACKEND": "fastkiq.contrib.django.FastkiqBackend",
        "QUEUES": ["default"],
        "OPTIONS": {"RETRY": 2, "TAGS": ["stubborn"]},
    },
}

globals().update(json.loads(os.environ.get("DEPOT", "{}")))
