"""Structured logs: JSON for machines, coloured lines for people. No number, text, code, e-mail or key ever goes in.

What may be logged is decided where it is logged; the processor below is the second guard, not the first.
"""

import logging
import sys
import traceback
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from namaskah.core.scrub import REMOVED, is_forbidden, scrub
from namaskah.core.tracing import current_span


def name_the_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Every line that is logged inside a traced request or job can be found by its trace."""
    span = current_span.get()
    if span is not None and span.live is not None:
        event["trace_id"] = f"{span.trace_id:032x}"
    return event


def show_only_where(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An exception as its class and the places it went through, because its text may quote a message.

    asyncio writes an exception's repr into its own message, on the lines after the first.
    """
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = "".join(traceback.format_tb(error.__traceback__))
        event["event"] = str(event.get("event", "")).partition("\n")[0]
    return event


def remove_personal_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drops fields that name personal data and cuts what looks like it out of the others."""
    for name, value in event.items():
        # Ids are ours and hold nothing personal, but some look like phone numbers.
        if name in ("timestamp", "level") or name.endswith("_id"):
            continue
        event[name] = REMOVED if is_forbidden(name) else scrub(value)
    return event


def configure(style: Literal["json", "pretty"], *, level: str = "INFO") -> None:
    """Sets up the logs of this process, those of the libraries included."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_the_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        show_only_where,
        remove_personal_data,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
