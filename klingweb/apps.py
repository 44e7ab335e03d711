"""The site's own app: system checks and commands."""

from django.apps import AppConfig


class KlingwebConfig(AppConfig):
    """Registers the system checks."""

    name = "klingweb"

    def ready(self) -> None:
        """Import what registers itself."""
        import klingweb.checks  # noqa: F401, PLC0415
