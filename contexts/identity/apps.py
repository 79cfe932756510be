from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "contexts.identity"
    label = "identity"
    verbose_name = "People"
    default_auto_field = "django.db.models.BigAutoField"
