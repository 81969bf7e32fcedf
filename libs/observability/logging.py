"""JSON logs through structlog; the standard library's loggers (aiohttp, asyncpg, aio_pika) go the same way."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from libs.observability.tracing import current_trace_id

_NO_TRACE = "0" * 32


def _add_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    trace_id = current_trace_id()
    if trace_id != _NO_TRACE:
        event.setdefault("trace_id", trace_id)
    return event


def configure_logging(level: str, log_format: Literal["json", "console"]) -> None:
    """Once per process, before anything logs. Everything goes to stderr; stdout is for the commands' own words."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _add_trace_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiormq", "aio_pika", "asyncpg", "urllib3", "yoyo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
