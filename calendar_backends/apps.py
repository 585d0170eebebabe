from django.apps import AppConfig


class CalendarBackendsConfig(AppConfig):
    name = "calendar_backends"
    verbose_name = "Calendar backends"

    def ready(self) -> None:
        from calendar_backends import checks  # noqa: F401  registers them
