"""The app that INSTALLED_APPS names."""

from importlib.util import find_spec

from django import VERSION
from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from fastkiq import config as configuration


class FastkiqConfig(AppConfig):
    """Sets fastkiq up in every process of the project, web and workers alike."""

    name = "fastkiq.contrib.django"
    label = "fastkiq"
    verbose_name = "fastkiq"

    def ready(self) -> None:
        """Settings, what happens around each job, system checks; then the modules that define tasks and workers."""
        from fastkiq.contrib.django import around, checks, conf

        config = configuration.default()
        conf.apply(config)
        setting_changed.connect(conf.reapply, dispatch_uid="fastkiq")
        around.install(config)
        checks.install()
        if VERSION >= (6, 0) or find_spec("django_tasks") is not None:
            from fastkiq.contrib.django import logs, worker

            logs.install(config)
            worker.install(config)
        if conf.problem is None:
            autodiscover_modules(*conf.read().modules)
