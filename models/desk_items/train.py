"""Train the detector: python train.py --out RUN --minutes 60 [--drawn F] [--traced F] [--photos F].

The state is written every few minutes, weights averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from data import Desks
from learning import BATCH, begin, learn, options
from network import DeskItems
from torch import Tensor
from torch.nn import functional as fn
from torch.utils.data import DataLoader

SEED = 20261125
NAME = "desk_items.pt"


def loss_of(out: Tensor, batch: list[Tensor]) -> dict[str, Tensor]:
    heat, weight, box, where, truth = batch
    kinds = heat.shape[1]
    logit = out[:, :kinds]
    p = logit.sigmoid().clamp(1e-4, 1 - 1e-4)
    peak = (heat > 0.5).float()  # the middle of each item, not one pixel: it learns sooner
    gain = peak * (1 - p) ** 2 * p.log()
    loss = (1 - peak) * (1 - heat) ** 4 * p**2 * (1 - p).log()
    count = peak.sum().clamp(min=1)
    centre = -((gain + loss) * weight[:, None]).sum() / count
    d, t = out[:, kinds : kinds + 4].clamp(-3, 5).exp(), box.exp()
    w = torch.minimum(d[:, 0], t[:, 0]) + torch.minimum(d[:, 2], t[:, 2])
    h = torch.minimum(d[:, 1], t[:, 1]) + torch.minimum(d[:, 3], t[:, 3])
    both = w * h
    area = (d[:, 0] + d[:, 2]) * (d[:, 1] + d[:, 3]) + (t[:, 0] + t[:, 2]) * (t[:, 1] + t[:, 3])
    overlap = both / (area - both + 1e-6)
    rough = fn.smooth_l1_loss(out[:, kinds : kinds + 4], box, reduction="none").mean(1)
    sides = ((1 - overlap + 0.5 * rough) * where).sum() / where.sum().clamp(min=1)
    known = (truth >= 0).float()
    ground = fn.binary_cross_entropy_with_logits(out[:, -2:], truth.clamp(min=0), reduction="none")
    ground = (ground * known).sum() / known.sum().clamp(min=1)
    return {"centre": centre, "box": sides, "ground": ground}


def losses(out: Tensor, batch: Sequence[Tensor]) -> dict[str, tuple[float, Tensor]]:
    parts = loss_of(out, list(batch[1:]))
    return {"centre": (1, parts["centre"]), "box": (2, parts["box"]), "ground": (2, parts["ground"])}


def inputs(batch: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return ((batch[0].float() / 255).to(memory_format=torch.channels_last),)


def main() -> None:
    parser = options(__doc__, minutes=60, seed=SEED)
    parser.add_argument("--drawn", type=Path)
    parser.add_argument("--traced", type=Path)
    parser.add_argument("--photos", type=Path)
    args = parser.parse_args()
    net = begin(args, DeskItems, NAME)
    desks = Desks(args.drawn, args.traced, args.photos, args.seed)
    loader = DataLoader(desks, BATCH, num_workers=args.workers, prefetch_factor=4)
    learn(net, loader, inputs, losses, args, NAME)


if __name__ == "__main__":
    main()
