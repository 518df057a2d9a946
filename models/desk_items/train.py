"""Train the detector: python train.py --out RUN --minutes 60 [--drawn F] [--traced F] [--photos F].

The state is written every few minutes, weights averaged.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from data import Desks
from network import DeskItems
from torch import Tensor
from torch.nn import functional as fn
from torch.utils.data import DataLoader

SEED = 20261125
BATCH = 24


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--drawn", type=Path)
    parser.add_argument("--traced", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="bfloat16 where the CPU has it")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    net = DeskItems().to(memory_format=torch.channels_last)
    if args.start:
        net.load_state_dict(torch.load(args.start / "desk_items.pt"))
    mean = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), args.rate, weight_decay=0.02)
    loader = DataLoader(
        Desks(args.drawn, args.traced, args.photos, args.seed), BATCH, num_workers=args.workers,
        prefetch_factor=4,
    )
    begun, saved, sums = time.monotonic(), time.monotonic(), {}
    for step, (image, *batch) in enumerate(loader, 1):
        done = (time.monotonic() - begun) / 60 / args.minutes
        if done >= 1:
            break
        rate = args.rate * min(1, step / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        x = (image.float() / 255).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.half):
            out = net.train()(x)
        parts = loss_of(out.float(), batch)
        loss = parts["centre"] + 2 * parts["box"] + 2 * parts["ground"]
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()
        keep = min(0.998, step / (step + 10))
        with torch.no_grad():
            for a, b in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
                a.copy_(b if not a.is_floating_point() else a.lerp(b, 1 - keep))
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) * 0.97 + 0.03 * float(value.detach())
        if step % 25 == 0:
            scale = 1 - 0.97**step
            shown = {name: round(value / scale, 3) for name, value in sums.items()}
            print(json.dumps({"step": step, "minutes": round(done * args.minutes, 1), **shown}), flush=True)
        if time.monotonic() - saved > 120:
            saved = time.monotonic()
            torch.save(mean.state_dict(), args.out / "desk_items.pt")
    torch.save(mean.state_dict(), args.out / "desk_items.pt")


if __name__ == "__main__":
    main()
