from typing import Any

from django.db import migrations
from django.db.models import F, OuterRef, Subquery
from django.db.models.functions import Now
from django.utils.dateparse import parse_datetime


def fill(apps: Any, schema_editor: Any) -> None:
    """What was behind is due, and is looked up before anything is created."""
    event, appointment = (apps.get_model("scheduler_api", name) for name in ("Event", "Appointment"))
    version = event.objects.filter(pk=OuterRef("event_id")).values("version")
    appointment.objects.update(version=Subquery(version))
    behind = appointment.objects.filter(applied_version__lt=F("version"))
    behind.update(due_at=Now(), doubtful_until=Now())
    event.objects.update(declared=F("modified"))
    for row in event.objects.filter(content__isnull=False).iterator(chunk_size=1000):
        event.objects.filter(pk=row.pk).update(ends=parse_datetime(row.content["end"]))


class Migration(migrations.Migration):

    dependencies = [
        ('scheduler_api', '0002_states'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
