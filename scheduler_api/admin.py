"""The ledger, to look at: Exchange and Salesforce write it, nobody else does."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest

from scheduler_api.models import Appointment, Event


class ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DueFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Something is due"), ("no", "Every mailbox agrees")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "yes":
                return queryset.filter(due__gt=0)
            case "no":
                return queryset.filter(due=0)
        return queryset


class AppointmentInline(ReadOnly, admin.TabularInline):
    model = Appointment
    fields = readonly_fields = ("mailbox", "wanted", "is_due", "error_code", "backend", "modified")

    @admin.display(boolean=True, description="due")
    def is_due(self, appointment: Appointment) -> bool:
        return appointment.due


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    """Which Events there are and where they are due; their subject, body and place are nobody's business."""

    list_display = ("salesforce_id", "org", "version", "cancelled", "mailboxes", "due", "modified")
    list_filter = ("org", DueFilter)
    list_select_related = ("org",)
    search_fields = ("salesforce_id__exact", "appointments__mailbox__iexact")
    search_help_text = "A whole Salesforce id, or a whole mailbox address."
    fields = ("org", "salesforce_id", "version", "cancelled", "created", "modified")
    inlines = (AppointmentInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        behind = Q(appointments__applied_version__lt=F("version"))
        counts = {
            "mailboxes": Count("appointments", distinct=True),
            "due": Count("appointments", filter=behind, distinct=True),
        }
        events: QuerySet[Event] = super().get_queryset(request).defer("content").annotate(**counts)
        return events

    @admin.display(ordering="mailboxes")
    def mailboxes(self, event: Any) -> int:
        return int(event.mailboxes)

    @admin.display(ordering="due")
    def due(self, event: Any) -> int:
        return int(event.due)
