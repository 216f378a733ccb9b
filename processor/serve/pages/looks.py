"""How pages are made of templates, and the files that they are dressed with."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

import jinja2
import msgspec
from starlette.responses import Response

from processor.serve.pages import words

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
        " img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_KINDS: Final = {"style.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}


def _dressed() -> Mapping[str, tuple[str, bytes]]:
    """Return the files by their public names, which hold a hash of the content."""
    found = {}
    folder = files("processor.serve.pages") / "static"
    for name, kind in _KINDS.items():
        data = (folder / name).read_bytes()
        stem, _, ending = name.partition(".")
        found[f"{stem}-{sha256(data).hexdigest()[:12]}.{ending}"] = (kind, data)
    return found


STATIC: Final = _dressed()
_STYLE, _SCRIPT, _ICON = (f"/ui/static/{name}" for name in STATIC)


def _json(value: Any) -> str:  # noqa: ANN401 - any body of ours
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("processor.serve.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": words.moment,
        "stamp": words.stamp,
        "text": words.value_text,
        "change": words.change_text,
        "why": words.why_text,
        "events": words.event_lines,
        "beaten": words.beaten,
        "whole": _json,
        "part": partial(quote, safe=""),
    }
    made.globals |= {
        "style": _STYLE,
        "script": _SCRIPT,
        "icon": _ICON,
        "by_name": lambda items: sorted(items, key=lambda item: words.attribute_order(item[0])),
        "is_set": lambda value: value is not msgspec.UNSET,
    }
    return made


_ENVIRONMENT: Final = _environment()


def page(name: str, status: int = 200, /, **facts: Any) -> Response:  # noqa: ANN401 - whatever the template shows
    """Return the page *name*, made of *facts*."""
    text = _ENVIRONMENT.get_template(f"{name}.html").render(**facts)
    return Response(text, status, HEADERS, "text/html")
