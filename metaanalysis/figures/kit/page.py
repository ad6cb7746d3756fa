"""The one place where pages are made: data are shown by them and never become part of them.

A page is opened by somebody who trusts us, and shows words that strangers wrote. So the figure
travels as JSON in an element that no browser runs; the scripts are the same for every figure and
their hashes are all that the page's policy lets run. Vega compiles its expressions with ``eval``
unless it is told to interpret them, which costs little here and spares ``'unsafe-eval'``.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from typing import Any

from db.wording import visible

#: What a link may begin with; anything else is no link.
_WEB = re.compile(r"https?://", re.IGNORECASE)

_DRAW = """
vegaEmbed("#vis", JSON.parse(document.getElementById("figure").textContent), {
  mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false,
  tooltip: { disableDefaultStyle: true },
}).catch(console.error);
"""

#: The styles that vega-embed and vega-tooltip would put into the page by themselves.
_STYLE = """
body { margin: 8px; background: #fff; }
#vis text { unicode-bidi: plaintext; white-space: pre; }
#vg-tooltip-element { visibility: hidden; position: fixed; z-index: 1000; padding: 8px;
  font: 11px sans-serif; border: 1px solid #d9d9d9; border-radius: 3px;
  background: rgba(255, 255, 255, .95); box-shadow: 2px 2px 4px rgba(0, 0, 0, .1); }
#vg-tooltip-element.visible { visibility: visible; }
#vg-tooltip-element td { padding: 2px; vertical-align: top; unicode-bidi: isolate; }
#vg-tooltip-element td.key { color: #808080; max-width: 150px; text-align: right; }
#vg-tooltip-element td.value { max-width: 300px; max-height: 7em; }
"""


def shown(text: str) -> str:
    """Return text from anywhere as it stands in a page: escaped, and apart from what is around."""
    return f"<bdi>{escape(visible(text))}</bdi>"


def attribute(text: str) -> str:
    """Return text from anywhere as the value of an attribute in double quotes."""
    return escape(visible(text), quote=True)


def drawable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification with nothing unseen in its texts, and links to the web only.

    Names of columns change with the columns' values, so what belongs together stays together.
    """
    links = {str(field) for field in _linked(spec)}
    cleaned: dict[str, Any] = _cleaned(spec, links)
    return cleaned


def _linked(part: Any) -> Iterator[str]:
    """Yield the columns that are links."""
    if isinstance(part, Mapping):
        href = part.get("href")
        if isinstance(href, Mapping) and "field" in href:
            yield href["field"]
        for inner in part.values():
            yield from _linked(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _linked(inner)


def _cleaned(part: Any, links: set[str]) -> Any:
    if isinstance(part, str):
        return visible(part)
    if isinstance(part, Mapping):
        return {
            visible(name): None
            if name in links and isinstance(value, str) and not _WEB.match(value)
            else _cleaned(value, links)
            for name, value in part.items()
        }
    if isinstance(part, float) and not math.isfinite(part):
        return None
    return [_cleaned(inner, links) for inner in part] if isinstance(part, list) else part


def figure_page(title: str, spec: Mapping[str, Any]) -> str:
    """Return a page that draws a figure and needs no network.

    Parameters
    ----------
    title
        Of the page.
    spec
        A Vega-Lite specification, as of :func:`drawable`.
    """
    # The schema's address is not used, and would be the only one in the page.
    known = {name: value for name, value in spec.items() if name != "$schema"}
    # No "<" can end the element or begin a comment in it.
    data = json.dumps(known, allow_nan=False).replace("<", "\\u003c")
    body = (
        '<div id="vis"></div>\n<noscript>This figure is drawn by JavaScript; '
        "the SVG and the PNG are not.</noscript>\n"
        f'<script type="application/json" id="figure">{data}</script>'
    )
    return page(title, body, _STYLE, (_bundle(), _DRAW))


def page(title: str, body: str, style: str, scripts: Sequence[str] = (), images: str = "") -> str:
    """Return a page that loads nothing and runs nothing but the scripts given.

    Parameters
    ----------
    title
        Any text.
    body
        HTML in which texts from elsewhere are :func:`shown` or an :func:`attribute`.
    style, scripts
        Ours, never made from data.
    images
        Where images may come from, in the words of a content security policy; default nowhere.
    """
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash, scripts)) or "'none'",
        "style-src": _hash(style),
        "img-src": images or "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    run = "".join(f"<script>{script}</script>\n" for script in scripts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(visible(title))}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{body}\n{run}</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script."""
    import vl_convert as vlc

    script: str = vlc.javascript_bundle()  # type: ignore[call-arg]
    if "</script" in script or "<!--" in script:
        raise ValueError("this vl-convert's scripts cannot stand in a page")
    return script
