"""Starts what the settings ask for, once in a process: error reports and traces to Sentry, traces by OTLP.

What is not asked for is not imported: Sentry's and OpenTelemetry's libraries cost a tenth of a second and 20 MB each.
"""

from typing import TYPE_CHECKING, Literal

from namaskah.core import error_reports, tracing
from namaskah.core.settings import Settings

if TYPE_CHECKING:
    from namaskah.core.tracing import Sink


def start(settings: Settings, *, role: Literal["web", "worker"]) -> None:
    """Call it before the first connection to the database is made and after the logs are set up."""
    sinks: list[Sink] = []
    if settings.otel_endpoint:
        from namaskah.core.otlp import OtlpSink

        sinks.append(OtlpSink(settings, role=role))
    if settings.sentry_dsn is not None and settings.sentry_dsn.get_secret_value():
        from namaskah.core.sentry_client import SentryClient, SentrySink, start_sentry

        start_sentry(settings, role=role)
        sinks.append(SentrySink(settings))
        error_reports.configure(SentryClient())
    tracing.configure(settings, tuple(sinks))


def stop() -> None:
    """Sends what is left; takes four seconds at the most, and no time where nothing was started."""
    tracing.close()
    error_reports.close()
