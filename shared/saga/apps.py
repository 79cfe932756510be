from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class SagaConfig(AppConfig):
    name = "shared.saga"
    label = "saga"
    verbose_name = "Processes"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        autodiscover_modules("wiring")
