"""Which Tasks there are: Django's own, from 6.0 on, else those of the package django-tasks."""

import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django import VERSION
from django.core.exceptions import ImproperlyConfigured

if VERSION >= (6, 0):
    NAME, _json, _invalid = "django.tasks", "django.utils.json", "InvalidTask"
elif find_spec("django_tasks") is not None:
    NAME, _json, _invalid = "django_tasks", "django_tasks.utils", "InvalidTaskError"
else:
    raise ImproperlyConfigured("Tasks need Django 6.0, or before it the package django-tasks: pip install django-tasks")

_base = import_module(f"{NAME}.base")
_exceptions = import_module(f"{NAME}.exceptions")
signals = import_module(f"{NAME}.signals")
tasks = import_module(NAME)

BaseTaskBackend: Any = import_module(f"{NAME}.backends.base").BaseTaskBackend
Task: Any = _base.Task
TaskContext: Any = _base.TaskContext
TaskError: Any = _base.TaskError
TaskResult: Any = _base.TaskResult
TaskResultStatus: Any = _base.TaskResultStatus
InvalidTask: Any = getattr(_exceptions, _invalid)
TaskResultDoesNotExist: Any = _exceptions.TaskResultDoesNotExist
_normalize_json: Any = import_module(_json).normalize_json


def plain(value: Any) -> Any:
    """What Django takes for JSON (tuples, safe texts and so on) as plain JSON. Raises TypeError, ValueError."""
    return json.loads(json.dumps(_normalize_json(value), allow_nan=False))
