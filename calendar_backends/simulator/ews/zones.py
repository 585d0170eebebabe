"""GetServerTimeZones: the one zone that this server knows.

Shapes: "GetServerTimeZones operation", TimeZoneDefinition and Period in the EWS reference.
"""

from __future__ import annotations

from calendar_backends.simulator.ews.context import Context
from calendar_backends.simulator.ews.soap import ItemError, M, T, error_xml, success_xml

_PERIOD = "trule:Microsoft/Registry/UTC-Standard"
_RULES = (
    f'<t:Periods><t:Period Bias="P0D" Name="Standard" Id="{_PERIOD}"/></t:Periods>'
    f'<t:TransitionsGroups><t:TransitionsGroup Id="0"><t:Transition><t:To Kind="Period">{_PERIOD}</t:To>'
    "</t:Transition></t:TransitionsGroup></t:TransitionsGroups>"
    '<t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions>'
)
# The schema wants the element in an error, too.
_NOTHING = "<m:TimeZoneDefinitions/>"


def get_server_time_zones(context: Context) -> str:
    """The definition of UTC. Whoever names another zone gets ErrorTimeZone, which this server says of all."""
    wanted = [(zone.text or "").strip() for zone in context.operation.iterfind(f"{M}Ids/{T}Id")]
    full = context.operation.get("ReturnFullTimeZoneData", "true") in ("true", "1")
    return (
        f"<m:GetServerTimeZonesResponse><m:ResponseMessages>{_message(wanted, full, context)}"
        "</m:ResponseMessages></m:GetServerTimeZonesResponse>"
    )


def _message(wanted: list[str], full: bool, context: Context) -> str:
    kind = "GetServerTimeZonesResponseMessage"
    if context.failing is not None:
        return error_xml(kind, context.failing, _NOTHING)
    if set(wanted) - {"UTC"}:
        error = ItemError("ErrorTimeZone", "The simulated Exchange knows no zone but UTC.")
        return error_xml(kind, error, _NOTHING)
    rules = _RULES if full else ""
    definition = (
        f'<t:TimeZoneDefinition Id="UTC" Name="(UTC) Coordinated Universal Time">{rules}'
        "</t:TimeZoneDefinition>"
    )
    return success_xml(kind, f"<m:TimeZoneDefinitions>{definition}</m:TimeZoneDefinitions>")
