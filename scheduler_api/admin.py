"""The ledger, to look at: Exchange and Salesforce write it; an operator may only have it tried again."""

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Lower, Now
from django.http import HttpRequest
from django.utils.functional import cached_property

from orgs.models import Org
from scheduler_api.models import Appointment, AppointmentQuerySet, Event
from scheduler_api.states import STATES, described, state_of

#: Events that can be paged through; more would have to be counted for every page.
MOST_LISTED = 10_000
NO_BREAK = "\N{NO-BREAK SPACE}"


class ReadOnly:
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ShortPaginator(Paginator):
    """Counts no further than MOST_LISTED."""

    @cached_property
    def count(self) -> int:
        events: Any = self.object_list
        return int(events[:MOST_LISTED].count())


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("due", "Something is due"),
            ("in_work", "Something is in work"),
            ("waiting", "Something waits for its next try"),
            ("parked", "Something is parked"),
            ("settled", "Every mailbox is settled"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = Appointment.objects.all()
        chosen = {"due": rows.due, "in_work": rows.in_work, "waiting": rows.waiting, "parked": rows.parked}
        match self.value():
            case "settled":
                here = rows.filter(event=OuterRef("pk"))
                return queryset.exclude(Exists(here.unfinished())).exclude(Exists(here.parked()))
            case str(state) if state in chosen:
                return queryset.filter(pk__in=chosen[state]().values("event"))
        return queryset


def with_state(rows: QuerySet[Appointment]) -> QuerySet[Any]:
    """With what `state_of` asks for, and without the content, which takes a key and is nobody's business."""
    forgotten = Q(event__content__isnull=True, event__cancelled=False)
    return rows.annotate(now=Now(), is_forgotten=forgotten).select_related("event").defer("event__content")


class AppointmentInline(ReadOnly, admin.TabularInline):
    model = Appointment
    fields = readonly_fields = (
        "mailbox",
        "wanted",
        "optional",
        "state",
        "attempts",
        "error_code",
        "backend",
        "modified",
    )
    ordering = ("mailbox",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_state(super().get_queryset(request))

    @admin.display
    def state(self, row: Any) -> str:
        return described(state_of(row, forgotten=row.is_forgotten, now=row.now), row.due_at)


@admin.register(Event)
class EventAdmin(ReadOnly, admin.ModelAdmin):
    """Which Events there are and how far they are; their subject, body and place are nobody's business."""

    list_display = ("salesforce_id", "org", "standing", "states", "errors")
    list_filter = ("org", StateFilter)
    list_select_related = ("org",)
    # Most of what could be sorted by has no index, and there may be a million.
    sortable_by = ()
    # Nor is the whole table counted for a page.
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = ShortPaginator
    search_fields = ("salesforce_id",)
    search_help_text = (
        f"A whole Salesforce id, or a whole mailbox address. The newest {MOST_LISTED:,} are listed."
    )
    fields = ("org", "salesforce_id", "version", "sequence", "standing", "declared", "created", "modified")
    readonly_fields = ("standing",)
    inlines = (AppointmentInline,)
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        events: QuerySet[Event] = super().get_queryset(request)
        events = events.annotate(is_forgotten=Q(content__isnull=True, cancelled=False))
        rows = Prefetch("appointments", with_state(Appointment.objects.all()))
        return events.defer("content", "org__options", "org__previous").prefetch_related(rows)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        if not (term := search_term.strip()):
            return queryset, False
        orgs = list(Org.objects.values_list("pk", flat=True))  # the index begins with the Org
        named = Event.objects.filter(org__in=orgs, salesforce_id=term).values("pk")
        rows = Appointment.objects.alias(address=Lower("mailbox")).filter(address=term.lower())
        return queryset.filter(pk__in=named.union(rows.values("event"))), False

    @admin.display
    def standing(self, event: Any) -> str:
        if event.cancelled:
            return "cancelled"
        return "forgotten" if event.is_forgotten else "current"

    @admin.display(description="mailboxes")
    def states(self, event: Any) -> str:
        rows: Any = event.appointments.all()
        counts = Counter(state_of(row, forgotten=row.is_forgotten, now=row.now) for row in rows)
        parts = [f"{counts[state]} {state}" for state in STATES if counts[state]]
        return ", ".join(part.replace(" ", NO_BREAK) for part in parts)

    @admin.display(description="last errors")
    def errors(self, event: Event) -> str:
        """Of what is not settled, each once."""
        rows = [row for row in event.appointments.all() if row.behind]
        return ", ".join(sorted({row.error_code for row in rows if row.error_code}))

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduler_api.change_event"))

    @admin.action(description="Try again now", permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        rows = Appointment.objects.filter(event__in=queryset.values("pk"))
        count = revive(rows)
        self.message_user(
            request, f"{count} Appointments are due now; resync works on them.", messages.SUCCESS
        )


@transaction.atomic
def revive(rows: AppointmentQuerySet) -> int:
    """Make due what is parked or waiting; what somebody takes just now is passed over. Returns how many."""
    skip = connection.features.has_select_for_update_skip_locked
    idle = rows.filter(lease__isnull=True) & (rows.waiting() | rows.parked())
    pks = [row.pk for row in idle.select_for_update(of=("self",), skip_locked=skip).only("pk")]
    return Appointment.objects.filter(pk__in=pks).update(due_at=Now(), attempts=0)
