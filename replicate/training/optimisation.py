"""Optimisers and schedules, from a spec's settings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import Adam, AdamW, Optimizer, RMSprop

from replicate.spec import Training


def make_optimiser(
    settings: Training, head: Sequence[nn.Parameter], backbone: Sequence[nn.Parameter]
) -> Optimizer:
    """Return an optimiser of two groups: the head, and what is trained of the backbone."""
    rate = settings.learning_rate
    groups = [{"params": list(head), "lr": rate}]
    if backbone:
        groups.append({"params": list(backbone), "lr": settings.backbone_lr or rate})
    # One fused kernel a step: with a head on cached features the optimiser is what costs.
    fused = all(p.device.type in ("cpu", "cuda") for p in (*head, *backbone))
    decay = settings.weight_decay
    if settings.optimiser == "adam":
        return Adam(groups, lr=rate, weight_decay=decay, fused=fused)
    if settings.optimiser == "adamw":
        return AdamW(groups, lr=rate, weight_decay=decay, fused=fused)
    if settings.optimiser == "sgd":
        return torch.optim.SGD(
            groups, lr=rate, momentum=settings.momentum, weight_decay=decay, fused=fused
        )
    return RMSprop(groups, lr=rate, momentum=settings.momentum, weight_decay=decay)


def rate_factor(settings: Training, epoch: int, epochs: int) -> float:
    """Return what the learning rates are multiplied by in an epoch (from 0) of `epochs`.

    Warm-up climbs in equal steps to 1 over its epochs. Behind it ``cosine`` falls to 0 at the end
    (Loshchilov & Hutter 2017, without restarts), ``step`` to a tenth at each third.
    """
    if epoch < settings.warmup:
        return (epoch + 1) / (settings.warmup + 1)
    passed = (epoch - settings.warmup) / max(1, epochs - settings.warmup)
    if settings.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * passed))
    if settings.schedule == "step":
        return float(0.1 ** int(3.0 * passed))
    return 1.0


def set_rates(optimiser: Optimizer, settings: Training, factor: float) -> None:
    """Give each group its base rate times a factor."""
    rates = (settings.learning_rate, settings.backbone_lr or settings.learning_rate)
    for group, rate in zip(optimiser.param_groups, rates, strict=False):
        group["lr"] = rate * factor
