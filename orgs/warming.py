"""Done once by every worker process, before its first call."""

import logging

from django.db import DatabaseError, connection

from calendar_backends import registry
from orgs.models import Org

logger = logging.getLogger(__name__)


def load_drivers() -> None:
    """Import the drivers of the active Orgs. What fails here fails again where it is needed."""
    try:
        for name in Org.objects.filter(active=True).values_list("backend", flat=True).distinct():
            registry.load(name)
    except (DatabaseError, LookupError, ImportError, TypeError) as error:
        logger.warning("the drivers are loaded when they are needed: %s", error)
    finally:
        connection.close()
