"""What both trainings share: their options, the rate over time, the averaged weights."""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

BATCH = 24
SAVE_SECONDS = 120


def options(about: str | None, *, minutes: float, seed: int) -> argparse.ArgumentParser:
    """``--half`` and ``--threads`` say how it is computed, not what."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="bfloat16 where the CPU has it")
    return parser


def begin(args: argparse.Namespace, make: Callable[[], nn.Module], name: str) -> nn.Module:
    """The network to train, from nothing or from an earlier run's ``name``."""
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    net = make().to(memory_format=torch.channels_last)
    if args.start:
        net.load_state_dict(torch.load(args.start / name))
    return net


def learn(
    net: nn.Module,
    batches: Iterable[Sequence[Tensor]],
    inputs: Callable[[Sequence[Tensor]], tuple[Tensor, ...]],
    losses: Callable[[Tensor, Sequence[Tensor]], dict[str, tuple[float, Tensor]]],
    args: argparse.Namespace,
    name: str,
) -> None:
    """Train for ``args.minutes`` and leave the averaged weights as ``name``. losses: of an
    output and its batch, each with its weight."""
    mean = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), args.rate, weight_decay=0.02)
    begun, saved, sums = time.monotonic(), time.monotonic(), {}
    for step, batch in enumerate(batches, 1):
        done = (time.monotonic() - begun) / 60 / args.minutes
        if done >= 1:
            break
        rate = args.rate * min(1, step / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=args.half):
            out = net.train()(*inputs(batch))
        parts = losses(out.float(), batch)
        optimiser.zero_grad()
        sum(weight * part for weight, part in parts.values()).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimiser.step()
        keep = min(0.998, step / (step + 10))
        with torch.no_grad():
            for a, b in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
                a.copy_(b if not a.is_floating_point() else a.lerp(b, 1 - keep))
        for part, (_, value) in parts.items():
            sums[part] = sums.get(part, 0.0) * 0.97 + 0.03 * float(value.detach())
        if step % 25 == 0:
            scale = 1 - 0.97**step
            shown = {part: round(value / scale, 4) for part, value in sums.items()}
            told = {"step": step, "minutes": round(done * args.minutes, 1), **shown}
            print(json.dumps(told), flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            saved = time.monotonic()
            torch.save(mean.state_dict(), args.out / name)
    torch.save(mean.state_dict(), args.out / name)
