"""What the node says while it runs: one JSON object a line, or lines for reading, on standard error.

Everything passes through `privacy.redaction`, what libraries say included; nothing that a person wrote comes through.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from privacy.redaction import describe_error, redact

QUIET = ("asyncio", "alembic", "sqlalchemy", "aiohttp", "uvicorn")
"""Libraries that are heard from warnings upwards only."""
Event = MutableMapping[str, Any]


def set_up_logs(log_format: str, *, level: int = logging.INFO) -> None:
    """Send every log line of the process through redaction to standard error, as `json` or for the `console`."""
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _cleaned,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _cleaned(_: Any, __: str, event: Event) -> Event:
    """Blank what must not be logged, and put in place of an exception its kind and origin."""
    info = event.pop("exc_info", None)
    record = event.pop("_record", None)
    structured = event.pop("_from_structlog", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if info is True:
        error = sys.exc_info()[1]
    if error is not None:
        event.update(describe_error(error))
    if record is not None and not structured:
        # asyncio writes what it is about below its first line, and an exception there with all that it says.
        event["event"] = str(event.get("event", "")).partition("\n")[0]
    cleaned: Event = redact(event)
    if record is not None:
        record.exc_info, record.exc_text = None, None
        cleaned.update(_record=record, _from_structlog=structured)
    return cleaned
