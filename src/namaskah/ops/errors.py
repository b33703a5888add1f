"""What can go wrong when operators write on the status page."""

from namaskah.core.errors import Conflict, NotFound, UnprocessableContent


class UnknownIncident(NotFound):
    """There is no such incident."""

    code = "unknown_incident"


class IncidentOver(Conflict):
    """This incident or maintenance is over."""

    code = "incident_over"


class IncidentInvalid(UnprocessableContent):
    """An incident needs a title, a text and what it affects; maintenance lies in the future."""

    code = "incident_invalid"
