"""For `fastkiq process`: to import this is to set up the Django project that DJANGO_SETTINGS_MODULE names.

The command does so by itself where that variable is set. With `manage.py fastkiq` Django has done it.
"""

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from fastkiq import config as configuration
from fastkiq.contrib.django import conf, queues

django.setup()
if apps.is_installed("fastkiq.contrib.django"):
    if conf.problem is not None:
        raise ImproperlyConfigured(str(conf.problem))
    queues.install(configuration.default())
