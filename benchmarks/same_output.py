"""Keep what the commands print, so that two versions of the code can be held against each other.

Every command runs in a process of its own against one database, with a data folder of its own; what
it wrote to stdout and stderr, its exit code and the files that it made are kept as text. What hangs
on the moment (seconds, dates, memory, throughput, folders) is replaced by a placeholder.

    python benchmarks/same_output.py before --database FILE
    python benchmarks/same_output.py after --database FILE --against before

The second form also prints a unified diff of each output that differs and leaves with 1 if one
does.
`--run` says how the command line is started, `--only WORD` takes the commands with that word.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PHANTOM = "phantom:oct?n=60&size=32&signal=3"
SMALL = f"--images '{PHANTOM}' --backbone LeNet5 --weights random --size 32 --epochs 2"
CSV = {
    "pairs.csv": "study,yi,vi,site,dose\na,0.1,0.01,x,1\nb,0.3,0.02,y,2\nc,0.35,0.015,x,3\n"
    "d,0.6,0.03,y,4\ne,0.2,0.02,x,2.5\n",
    "counts.csv": "study,x,n,site\na,90,100,x\nb,45,50,y\nc,180,200,x\nd,28,40,y\ne,66,70,x\n",
    "tables.csv": "study,tp,fn,fp,tn\na,40,5,6,49\nb,30,2,9,50\nc,80,10,4,90\nd,25,6,3,36\n"
    "e,60,9,12,75\n",
    "arms.csv": "study,effect,variance\na,0.1,0.01\na,0.2,0.02\nb,0.3,0.02\nb,0.1,0.03\n"
    "c,0.5,0.02\n",
    "holes.csv": "study,x,n\na,90,100\nb,,50\nc,180,200\nd,28,40\n",
}

#: Commands that read; they may run side by side.
READING = (
    "--help",
    "query --modality OCT",
    "query --tl fine-tuning --year 2019 --format csv",
    "query --backbone vgg16 --format json",
    "query --subject brain --format markdown",
    "query --modality OTC",
    "show 49",
    "show treder2018 --format json",
    "show 103",
    "figures --out figures --format csv,svg",
    "stats pool",
    "stats pool --format json",
    "stats pool --outcome AUC --assume-prevalence 0.5 --format json",
    "stats pool --outcome AUC --assume-prevalence 0.5",
    "stats pool --outcome sensitivity --assume-prevalence 0.5 --keep-retracted --format csv",
    "stats pool --arms all",
    "stats pool --arms all --format json",
    "stats pool --method REML --transform freeman-tukey --figure pooled --figure-format csv,svg",
    "stats pool --csv pairs.csv --effect yi --variance vi --method DL --test z --format json",
    "stats pool --csv pairs.csv --effect yi --variance vi",
    "stats pool --csv holes.csv --events x --n n --missing exclude",
    "stats pool --csv holes.csv --events x --n n",
    "stats pool --csv arms.csv --effect effect --variance variance --cluster study --format json",
    "stats pool --modality PET",
    "stats subgroup --by tl_type --figure by-type --figure-format csv,svg",
    "stats subgroup --by modality --format json",
    "stats subgroup --csv counts.csv --events x --n n --by site",
    "stats regress --moderator log10_images --figure bubble --figure-format csv,svg",
    "stats regress --moderator year --moderator depth --permutations 99 --format json",
    "stats regress --csv pairs.csv --effect yi --variance vi --moderator dose",
    "stats bias --figure funnel --figure-format csv,svg",
    "stats bias --format json",
    "stats bias --csv tables.csv --tp tp --fn fn --fp fp --tn tn",
    "stats influence --figure influence --figure-format csv,svg",
    "stats influence --format json",
    "stats influence --cumulative",
    "stats influence --cumulative --format json",
    "stats multiverse --figure multiverse --figure-format csv,svg",
    "stats multiverse --csv counts.csv --events x --n n --format csv",
    "stats accuracy --assume-prevalence 0.5 --figure sroc --figure-format csv,svg",
    "stats accuracy --csv tables.csv --tp tp --fn fn --fp fp --tn tn --format json",
    "stats correlate --resamples 999",
    "stats correlate --resamples 999 --format json",
    "audit",
    "audit --format json",
    "audit --format csv",
    "audit 103 --format markdown",
    "audit --check claim",
    "datasets --format csv",
    "backbones",
    "backbones --format json",
    "db info",
    "db check",
    "db agreement",
    "db export --out export",
    "replicate setups",
    "replicate setups --format json",
    "replicate plan deepak2019 --no-probe",
    "replicate plan minaee2020 --no-probe --format json",
    f"replicate plan 49 --images '{PHANTOM}' --backbone mobilenet_v2 --no-probe",
    "replicate plan zago2018 --no-probe --epochs 3 --lr 0.01 --format csv",
    "replicate plan nobody2099",
    f"replicate leakage '{PHANTOM}'",
    f"replicate leakage '{PHANTOM}' --format json",
)

#: Runs on real images, where the folder that MEDTL_META_IMAGES names has them.
REAL = (
    "replicate run pham2020 --images {images}/covid_ct --backbone MobileNetV2 --size 32 --epochs 2",
    "replicate run hegde2019 --images {images}/wbc_cellavision --backbone MobileNetV2 --size 32"
    " --epochs 2 --seeds 0,1",
    "replicate run --images {images}/busi --backbone MobileNetV2 --size 32 --max-images 60"
    " --tl 'feature extractor hybrid' --head k-nn",
)

#: Commands that write or build on what was written: one after the other.
WRITING = (
    f"replicate run {SMALL} --seeds 0,1",
    f"replicate run {SMALL} --seeds 0,1",
    f"replicate run {SMALL} --seeds 0,1 --format json",
    f"replicate run treder2018 {SMALL} --folds 2 --tl 'random initialisation'",
    f"replicate run karri2017 --images '{PHANTOM}' --backbone mobilenet_v2 --size 32 --epochs 2"
    " --format json",
    f"replicate run --images '{PHANTOM}' --backbone mobilenet_v2 --size 32"
    " --tl 'feature extractor hybrid' --head svm",
    "replicate runs",
    "replicate runs --format json",
    "replicate runs --phantom --format csv",
    "replicate compare",
    "replicate compare karri2017",
    "replicate compare karri2017 --format json --out compared --figure csv,svg",
    "replicate compare treder2018 --format csv",
    f"replicate contest --images '{PHANTOM}' --images 'phantom:mri?n=60&size=32&signal=3'"
    " --tl 'feature extractor,random' --epochs 1 --size 32 --folds 2 --seeds 0,1 --out contest"
    " --figure csv,svg",
    "replicate contest --from contest/results.csv --metric accuracy --format json --out again"
    " --figure csv",
    "stats pool --replicated",
    "db info",
)

_MOMENT = (
    (re.compile(r'(?<="revision": ")[0-9a-f]+\+?'), "#"),
    (re.compile(r"(?<=Peak memory: )[^.]*(?=\.)"), "#"),
    (re.compile(r"^Database brought up to date.*\n", re.MULTILINE), ""),
    (re.compile(r"(?<=Time: )[^.]*\.(\d[^.]*\.)*(?=\n)"), "#"),
    (re.compile(r"(under a second|about a minute)"), "# s"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?([+Z][\d:]*)?"), "<TIME>"),
    (re.compile(r"(?<![\w.])\d[\d,]*(\.\d+)?(e-\d+)?(?= (s|ms|min|[MG]i?B|images/s)\b)"), "#"),
    (re.compile(r'("(?:[a-z_]*seconds|training|features|evaluation|testing|leakage|loading|hashing|'
                r'decoding|images_per_second|features_cost|peak_memory_bytes|total|time|memory)": )'
                r"[\d.e+-]+"), r"\1#"),
)  # fmt: skip
#: Columns of CSVs that hold times or memory.
_COSTLY = re.compile(r"second|memory|per_s|started|finished|created|updated|time|cost|throughput")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--database", type=Path, help="an SQLite file; a copy of it is used")
    parser.add_argument("--against", type=Path, help="folder of an earlier run to compare with")
    parser.add_argument("--run", default=f"{sys.executable} -m medtl_meta")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for file, text in CSV.items():
            (work / file).write_text(text)
        if chosen.database:
            shutil.copyfile(chosen.database, work / "db.sqlite")
        images = os.environ.get("MEDTL_META_IMAGES")
        real = [words.format(images=images) for words in REAL] if images else []
        writes = (*real, *WRITING)
        keep = Keeper(chosen.folder, work, shlex.split(chosen.run))
        reading, writing = (
            [(place, words) for place, words in enumerate(commands, first) if chosen.only in words]
            for commands, first in ((READING, 1), (writes, len(READING) + 1))
        )
        with ThreadPoolExecutor(chosen.jobs) as pool:
            list(pool.map(lambda one: keep(*one), reading))
        for one in writing:
            keep(*one)
        # Each run's own view, once their ids are known.
        ids = sorted(path.name for path in (work / "runs").glob("*") if path.is_dir())
        for place, run in enumerate(ids, len(READING) + len(writes) + 1):
            keep(place, f"replicate runs {run} --format json")
            keep(place + len(ids), f"replicate runs {run}")
    print(f"{len(list(chosen.folder.iterdir()))} outputs in {chosen.folder}")
    return compare(chosen.against, chosen.folder) if chosen.against else 0


class Keeper:
    """Runs a command and writes what came of it."""

    def __init__(self, folder: Path, work: Path, start: list[str]) -> None:
        self.folder, self.work, self.start = folder, work, start
        self.environment = {
            **os.environ,
            "MEDTL_META_DB": str(work / "db.sqlite"),
            "MEDTL_META_RUNS": str(work / "runs"),
            "MEDTL_META_CACHE": str(work / "cache"),
            "COLUMNS": "100",
            "OMP_NUM_THREADS": "1",
            "PYTHONWARNINGS": "ignore",
        }

    def __call__(self, place: int, words: str) -> None:
        """Run `words` and keep output, exit code and the files of its output folder."""
        done = subprocess.run(
            [*self.start, *shlex.split(words)],
            cwd=self.work, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        text = [f"$ medtl-meta {words}", f"exit {done.returncode}"]
        for title, said in (("stdout", done.stdout), ("stderr", done.stderr)):
            text += [f"--- {title}", self.still(said)]
        named = re.search(r"(?:--out|--figure) ([\w-]+)", words)
        if named and (self.work / named[1]).is_dir():
            for path in sorted((self.work / named[1]).rglob("*")):
                text += [f"--- {path.relative_to(self.work)}", self.file(path)]
        slug = re.sub(r"[^\w]+", "-", words)[:60].strip("-")
        (self.folder / f"{place:03}-{slug}.txt").write_text("\n".join(text) + "\n")

    def file(self, path: Path) -> str:
        """Return a file's text, or its hash where it is long or no text."""
        if path.is_dir() or path.suffix == ".sqlite":
            return ""
        if re.search(r"-(time|parameters)\.svg$", path.name):
            return "(draws times)"
        if path.suffix == ".csv":
            return self.csv(path.read_text())
        data = self.still(path.read_bytes().decode(errors="replace"))
        return data if len(data) < 4000 else hashlib.sha256(data.encode()).hexdigest()

    def csv(self, text: str) -> str:
        """Return a CSV without the columns that hang on the moment."""
        import csv
        import io

        rows = list(csv.reader(io.StringIO(text)))
        if not rows:
            return ""
        kept = [place for place, name in enumerate(rows[0]) if not _COSTLY.search(name)]
        return "\n".join(",".join(row[place] for place in kept if place < len(row)) for row in rows)

    def still(self, text: str) -> str:
        """Return a text without what hangs on the moment."""
        text = text.replace(str(self.work), "<FOLDER>")
        for pattern, placeholder in _MOMENT:
            text = pattern.sub(placeholder, text)
        return text


def compare(before: Path, after: Path) -> int:
    """Print what differs; return 1 if anything does."""
    names = sorted({path.name for folder in (before, after) for path in folder.iterdir()})
    different = 0
    for name in names:
        old, new = (
            (folder / name).read_text().splitlines() if (folder / name).exists() else []
            for folder in (before, after)
        )
        if old != new:
            different += 1
            print(
                "\n".join(
                    difflib.unified_diff(old, new, f"before/{name}", f"after/{name}", "", "", 1, "")
                )
            )
    print(f"{len(names) - different} of {len(names)} outputs are the same, {different} differ.")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
