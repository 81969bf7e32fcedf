"""JSON logs through structlog; the standard library's loggers (aiohttp, asyncpg, aio_pika) go the same way."""

import logging
import sys
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.observability.tracing import current_trace_id

_NO_TRACE = "0" * 32


def configure_logging(level: str, log_format: Literal["json", "console", "auto"]) -> None:
    """Once per process, before anything logs. Everything goes to stderr; stdout is for the commands' own words.

    `auto` is `console` where stderr is a terminal, for people, and `json` where it is not, for machines.

    JSON lines go from structlog straight to stderr as bytes: there is one for each request, and the way through the
    standard library costs several times as much.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _add_trace_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    # Not the default, which shows local variables: keys, tokens and settings are among them.
    console = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    rendering: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)] if as_json else [console]
    )
    structlog.configure(
        processors=[*shared, *rendering],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer) if as_json else structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    _configure_standard_library(level, shared, [*rendering[:-1], _text] if as_json else rendering)


def _configure_standard_library(level: str, shared: list[Processor], rendering: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiormq", "aio_pika", "asyncpg", "urllib3", "yoyo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _add_trace_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if "trace_id" not in event and (trace_id := current_trace_id()) != _NO_TRACE:
        event["trace_id"] = trace_id
    return event


def _json(event: EventDict, default: Any = repr, **_options: Any) -> bytes:
    return orjson.dumps(event, default=default, option=orjson.OPT_NON_STR_KEYS)


def _text(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _json(event).decode()
