"""Words that would run, through every kind of page that is written, opened in a real browser.

An attempt is one page or picture: made by the command line from a CSV, a study, the rows of a contest
or of a comparison whose every word is hostile. Nothing of it may run, leave the machine, open a
dialog or change the title, in the page or in the SVG opened by itself; and it must be drawn.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

from db.errors import MedtlError
from tests.browser import Browser, browsing
from tests.fuzz.outcome import Outcome, command

_RUN = "window.ran=1&&(document.title='ran')"
#: What has run scripts somewhere, in HTML, attributes, SVG, JSON, addresses or expressions of Vega.
ACTIVE = (
    f"</script><script>{_RUN}</script>",
    f"<script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'"><svg/onload={_RUN}>',
    f"' onmouseover='{_RUN}' style='position:fixed;inset:0",
    f"</title><script>{_RUN}</script>",
    f"</text></svg><script>{_RUN}</script>",
    f"]]><script>{_RUN}</script>",
    f"<!--<script>{_RUN}//-->",
    f"</style><script>{_RUN}</script>",
    f"javascript:{_RUN}",
    f"data:text/html,<script>{_RUN}</script>",
    "datum['x'])+(window.ran=1)+(",
    "'+(window.ran=1)+'",
    f"\\u003cscript\\u003e{_RUN}\\u003c/script\\u003e",
    f"&lt;script&gt;{_RUN}&lt;/script&gt; &#x3c;script&#x3e;",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<link rel=stylesheet href=//127.0.0.1:1/x><base href=//127.0.0.1:1/>",
    "<meta http-equiv=refresh content='0,url=http://127.0.0.1:1/'>",
    "<a href=javascript:alert(1)>x</a>",
    "a.b[0]['c']\\d",
    "\u202e\u2066<b>\u2028\u2029 \x1b[31m \ufeff\u200b",
)
#: Kinds of pages: how the command line makes each.
STATS = (
    ("pool",),
    ("subgroup", "--by", "{g}"),
    ("regress", "--moderator", "{x}"),
    ("bias",),
    ("influence",),
    ("influence", "--cumulative", "--order", "{x}"),
    ("multiverse",),
)


def _word(rng: random.Random, printable: bool = False) -> str:
    words = [one for one in ACTIVE if not printable or one.isprintable()]
    parts = [rng.choice(words) for _ in range(rng.choice((1, 1, 1, 2)))]
    return rng.choice(("", "Smith 2020 ", "é ")) + " ".join(parts) + rng.choice(("", "", '"', "\\"))


def _table(rng: random.Random, path: Path) -> dict[str, str]:
    """Write a CSV of which columns, labels and groups are hostile; return the columns' names."""
    names = {role: f"{_word(rng)} {role}" for role in ("y", "v", "s", "g", "x")}
    groups = [_word(rng) + " 1", _word(rng) + " 2"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(names.values())
        for number in range(8):
            row = (rng.gauss(0.5, 0.3), rng.uniform(0.01, 0.1), f"{_word(rng)} {number}")
            writer.writerow([*row, groups[number % 2], rng.random()])
    return names


def _stats(rng: random.Random, folder: Path) -> Iterator[tuple[str, list[str]]]:
    for place, kind in enumerate(STATS):
        table = folder / f"{place} {rng.choice(('<b>', 'a&b', chr(39) + chr(34)))}.csv"
        names = _table(rng, table)
        roles = ["--effect", names["y"], "--variance", names["v"], "--label", names["s"]]
        more = [part.format(**names) for part in kind]
        yield kind[0], ["stats", *more, "--csv", str(table), *roles]


def _contest(rng: random.Random, folder: Path) -> tuple[str, list[str]]:
    from replicate.contest.rows import write

    rows = [
        {
            "dataset": f"{name} {place}", "modality": _word(rng), "phantom": False, "n_images": 90,
            "n_classes": 2, "backbone": backbone, "weights": "pretrained", "tl_type": tl_type,
            "unfrozen": "", "seed": 0, "accuracy": 0.8, "auc": rng.uniform(0.6, 0.99),
            "balanced_accuracy": 0.7, "baseline_accuracy": 0.5, "features_seconds": 1.0,
            "train_seconds": 2.0, "total_seconds": 3.0, "trained_parameters": 5000,
            "command": _word(rng),
        }
        for backbone in (_word(rng),)
        for place, name in enumerate(_word(rng) for _ in range(3))
        for tl_type in ("feature extractor", "random initialisation")
    ]  # fmt: skip
    write(rows, folder / "rows.csv")
    return "contest", ["replicate", "contest", "--from", str(folder / "rows.csv")]


def _replications(rng: random.Random, out: Path) -> None:
    from metaanalysis.figures.runs.replications import replications
    from replicate.verdicts.comparison import ROW_COLUMNS

    rows = [
        dict.fromkeys(ROW_COLUMNS) | {
            "run": str(place), "kind": "replicated", "study": _word(rng), "ref": 9, "margin": 0.02,
            "fidelity": "proxy", "dataset": _word(rng), "backbone": _word(rng),
            "backbone_reported": _word(rng), "tl_type": "fine-tuning", "metric": "accuracy",
            "reported": 0.9, "replicated": 0.8, "ci_low": 0.7, "ci_high": 0.9, "verdict": "lower",
            "reported_source": _word(rng), "of_class": _word(rng),
        }
        for place in range(4)
    ]  # fmt: skip
    replications(rows, data_hash="abc", title=_word(rng), notes=[_word(rng)]).save(
        out, ("html", "svg")
    )


_STUDY = """\
key: hostile{n}
citation: {{authors: {a}, title: {t}, journal: {t}, year: 2020, url: {u}}}
curation: {{inclusion: added, tl_seen: true}}
values:
  modality: {{value: OCT, basis: title, source: {t}}}
  subject: {{value: sense organs, basis: title, source: {t}, note: {t}}}
  anatomy: {{value: {t}, basis: title, source: {t}}}
  n_images: {{value: 900, basis: abstract, source: {t}}}
  n_classes: {{value: 2, basis: abstract, source: {t}}}
metrics:
  - {{metric: AUC, value: 0.{d}, headline: true, n: 90, task: {t}, basis: abstract, source: {t}}}
  - {{metric: accuracy, value: 0.{d}, headline: true, n: 90, basis: abstract, source: {t}}}
"""


def _studies(rng: random.Random, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Add hostile studies, written past the checks, and draw what draws studies."""
    import json

    from db.database import open_database
    from db.user import add_studies

    path = folder / "literature.sqlite"
    files = folder / "studies"
    files.mkdir()
    for n in range(4):
        words = {name: json.dumps(_word(rng, printable=True)) for name in "at"}
        text = _STUDY.format(n=n, d=71 + n, u='"https://example.org/"', **words)
        (files / f"{n}.yaml").write_text(text, encoding="utf-8")
    with open_database(path) as database:
        add_studies(database, [files])
        with database.writing() as connection:  # what no check lets in any more may be there
            for column in ("url", "journal"):
                connection.exec_driver_sql(
                    f"UPDATE study SET {column} = ? WHERE origin = 'user'", (_word(rng),)
                )
    base = ["--db", str(path)]
    yield "forest", [*base, "stats", "pool", "--metric", "AUC"]
    yield "figures", [*base, "figures"]


def _judged(browser: Browser, path: Path, kind: str) -> Outcome:
    """Open a page or picture and tell what it did."""
    tried = f"{kind}: {path.name}"
    if path.suffix == ".svg":
        tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        tags = {one.tag.rpartition("}")[2] for one in tree.iter()}
        names = {name.lower() for one in tree.iter() for name in one.attrib}
        if "script" in tags or any(name.startswith("on") for name in names):
            return Outcome("executed", tried, "an SVG that can run something")
    else:
        head = path.read_text(encoding="utf-8")[:2000]
        if "Content-Security-Policy" not in head or "unsafe" in head:
            return Outcome("executed", tried, "a page without a strict policy")
    page = browser.open(path)
    try:
        ran = page.evaluate("[window.ran === undefined, document.title !== 'ran']")
        wandered = [one for one in page.requests if not one.startswith(("file:", "data:"))]
        drawn = page.evaluate("document.querySelectorAll('svg, img').length")
        links = page.evaluate(
            "[...document.querySelectorAll('a')].map(a => String(a.href.baseVal ?? a.href))"
        )
        bad = [one for one in links if not one.startswith(("http:", "https:", "file:", "#"))]
        if not all(ran) or wandered or page.dialogs or bad:
            return Outcome("executed", tried, f"{ran} {wandered} {page.dialogs} {bad}")
        said = [one for one in page.console if not one.startswith("WARN")]
        if said or not drawn:
            return Outcome("lost", tried, f"not drawn: {said}")
    finally:
        browser.close(page)
    return Outcome("answered", tried)


def _round(rng: random.Random, folder: Path, browser: Browser) -> Iterator[Outcome]:
    """Make each kind of page once and open it."""
    folder.mkdir()
    out = folder / "out-replications"
    try:
        _replications(rng, out)
    except MedtlError as error:
        yield Outcome("lost", "replications", error.message)
    yield from _opened(browser, out, "replications")
    made = (*_stats(rng, folder), _contest(rng, folder), *_studies(rng, folder))
    for number, (kind, words) in enumerate(made):
        out = folder / f"out-{number}"
        forms = ("--figure", str(out), "--figure-format", "html,svg")
        if kind == "figures":
            forms = ("--out", str(out), "--format", "html,svg")
        elif kind == "contest":
            forms = ("--out", str(out), "--figure", "html,svg")
        outcome, printed = command([*words, *forms], 60)
        if outcome.kind != "answered":
            bad = "lost" if outcome.kind == "refused" else outcome.kind
            yield Outcome(bad, outcome.tried, outcome.seen or printed)
        yield from _opened(browser, out, kind)


def _opened(browser: Browser, out: Path, kind: str) -> Iterator[Outcome]:
    """Open what was written."""
    pages = sorted([*out.glob("*.html"), *out.glob("*.svg")]) if out.exists() else []
    if not pages:
        yield Outcome("lost", f"{kind}: no page", str(out))
    for path in pages:
        yield _judged(browser, path, kind)


def attempts(seed: int, folder: Path) -> Iterator[Outcome]:
    """Yield what came of pages, one kind after the other."""
    with browsing(folder / "profile") as browser:
        for number in count():
            yield from _round(random.Random(f"{seed}/{number}"), folder / str(number), browser)
