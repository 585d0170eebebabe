"""Tenants from a file: what the file says is made so."""

from orgs.provisioning.changes import Change
from orgs.provisioning.document import ProvisioningError
from orgs.provisioning.provision import provision, with_connection

__all__ = ["Change", "ProvisioningError", "provision", "with_connection"]
