"""The statements of the review against the curated evidence, each by a rule on rows.

A new statement needs an entry in :data:`RULES`, with the numbers and names that it has; one without
is reported as not checkable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metaanalysis.audit.claims import of_all, of_studies
from metaanalysis.audit.claims.of_studies import Best
from metaanalysis.audit.claims.part import Part, Rule
from metaanalysis.audit.finding import NOT_CHECKABLE, Finding
from metaanalysis.audit.material import Material

#: Claim -> the rule that decides it.
RULES: Mapping[str, Rule] = {
    "prisma-flow": of_all.Flow(assessed=236, excluded=114, included=121),
    "inception-most-used": of_all.most_used,
    "deep-fe-recommended": of_all.frozen_recommended,
    "ft-scratch-no-gain": of_all.scratch_no_gain,
    "size-no-association": of_all.size,
    "resnet50-top5": of_all.FewerParameters("ResNet50", {"VGG16": "5.2", "AlexNet": "2.4"}),
    "inception-beats-vgg": of_studies.BeatsInEach("Inception", "VGG"),
    "ref28-vgg19-best": Best("VGG19", value=0.893),
    "ref34-inception3-best": Best("InceptionV3", rivals=("ResNet50", "VGG16")),
    "ref35-resnet50-best": Best("ResNet50", rivals=("AlexNet", "VGG16", "ResNet18", "ResNet34")),
    "ref36-googlenet-best": Best("GoogLeNet", "fine-tuning from scratch"),
    "ref44-two-blocks": of_studies.FamilyAndLayers(Best("VGG", "fine-tuning")),
    "ref45-layers": of_studies.trained_layers,
    "ref46-fc-only": of_studies.frozen_beats_scratch,
    "ref47-densenet201": Best("DenseNet201", "fine-tuning from scratch"),
    "refs53-54-3d": of_studies.three_dimensions,
}


def claims(material: Material) -> Iterator[Finding]:
    """Judge every statement of the review."""
    for claim in material.claims:
        rule = RULES.get(claim["id"])
        if rule is None:
            parts = [Part(NOT_CHECKABLE, "There is no rule for this statement.")]
        else:
            parts = list(rule(material, claim))
        refs = f", of its references {', '.join(map(str, claim['refs']))}" if claim["refs"] else ""
        for part in parts:
            name = f"{claim['id']}.{part.name}" if part.name else claim["id"]
            yield material.on("claim", name, f"a statement in the text{refs}")(
                part.verdict,
                part.text,
                reported=claim["claim"],
                recomputed=part.recomputed,
                rows=part.rows,
            )
