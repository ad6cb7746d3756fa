"""Print the computed fields of data/builders.yaml, and fail where the file says otherwise.

    python benchmarks/builder_facts.py

Needs the extra ``replicate``.
"""

from __future__ import annotations

import sys

from replicate.networks.builders import registry
from replicate.networks.facts import facts_of


def main() -> int:
    wrong = 0
    for builder in registry().builders:
        facts = facts_of(builder)
        differing = {name for name, value in facts.items() if getattr(builder, name) != value}
        wrong += bool(differing)
        print(f"- name: {builder.name}{'  # differs' if differing else ''}")
        for name, value in facts.items():
            now = f"  # the file says {getattr(builder, name)}" if name in differing else ""
            print(f"  {name}: {value}{now}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
