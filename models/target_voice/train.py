"""Train both networks on endless scenes: python train.py --bank FOLDER --out FOLDER --minutes M."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from network import Embedding, Features, TargetVoice, slots, template
from scenes import ALONE, OTHER, OVERLAP, Bank, Plan, Planner, load_bank, render
from torch import Tensor
from torch.nn import functional as fn
from torch.utils.data import DataLoader, IterableDataset

from homeveil.perceive import sound_features as ft

SEED = 20261124
HELD_OUT = 24  # speakers kept for validation
WEIGHTS = (0.7, 1.0, 1.6, 2.0)  # nobody, alone, other, overlap
MARGIN = 3.0  # the log-odds of "alone" must lie below -3 where another voice is heard


class Plans(IterableDataset[list[Plan]]):
    """Batches of plans, each worker with seeds of its own."""

    def __init__(self, planner: Planner, batch: int, seed: int) -> None:
        self.planner, self.batch, self.seed = planner, batch, seed

    def __iter__(self):  # type: ignore[no-untyped-def]
        info = torch.utils.data.get_worker_info()
        worker = info.id if info else 0
        rng = np.random.default_rng([self.seed, worker])
        while True:
            yield [self.planner.draw(int(s)) for s in rng.integers(0, 1 << 62, self.batch)]


@torch.no_grad()
def inputs(bank: Bank, plans: list[Plan], seconds: float, seed: int, nets) -> tuple[Tensor, ...]:  # type: ignore[no-untyped-def]
    """Render and embed a batch. -> sound, slots, template, own cosine, label, rendered."""
    feature, embed = nets
    got = render(bank, plans, seconds, seed)
    mel, sound = feature(got["mix"])
    voice, voice_sound = feature(got["enroll"])
    with torch.autocast("cuda", torch.bfloat16, enabled=mel.is_cuda):
        open_slots = slots(embed, mel).float()
        learnt = slots_template(embed, voice, voice_sound)
    return sound, open_slots, *learnt, got["label"], got


def slots_template(embed: Embedding, mel: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    mean, near = template(embed, mel, sound)
    return mean.float(), near.float()


def loss_of(logits: Tensor, label: Tensor) -> Tensor:
    """Weighted cross entropy plus a hinge on every frame where opening would leak."""
    weight = torch.tensor(WEIGHTS, device=logits.device)
    entropy = fn.cross_entropy(logits.flatten(0, 1), label.flatten(), weight)
    rest = torch.cat([logits[..., :ALONE], logits[..., ALONE + 1 :]], -1).logsumexp(-1)
    odds = logits[..., ALONE] - rest
    hinge = fn.softplus(odds + MARGIN)
    for leaking in ((label == OTHER).float(), (label == OVERLAP).float()):
        entropy = entropy + 0.3 * (hinge * leaking).sum() / leaking.sum().clamp(min=1)
    return entropy


def judge(odds: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Frame figures where 90 % of the agent's own frames are kept."""
    edge = np.quantile(odds[label == ALONE], 0.10)
    opened = odds > edge
    return {
        "edge": float(edge),
        "clear_ms_per_min": float(60000 * opened[label == OTHER].mean()),
        "overlap_muted": float(100 * (1 - opened[label > OTHER].mean())),
    }


def voices(bank: Bank, nets) -> np.ndarray:  # type: ignore[no-untyped-def]
    """One unit embedding per speaker, to find look-alikes."""
    feature, embed = nets
    out = []
    for start, end in bank.spans:
        wave = bank.speech[start : min(end, start + 8 * ft.SAMPLE_RATE_HZ)][None]
        wave = fn.pad(wave, (0, max(0, 4 * ft.SAMPLE_RATE_HZ - wave.shape[1])))
        with torch.no_grad():
            out.append(template(embed, *feature(wave))[0][0, -1].cpu().numpy())
    return np.stack(out)


@torch.no_grad()
def validate(bank, planner, nets, models, scenes: int, batch: int, seconds: float):  # type: ignore[no-untyped-def]
    """-> odds (scenes, T) and full logits by mode, labels, powers, all as small arrays."""
    kept: dict[str, list[np.ndarray]] = {}
    for i in range(0, scenes, batch):
        plans = [planner.draw(SEED + 7_000_000 + i + k) for k in range(batch)]
        *x, label, got = inputs(bank, plans, seconds, SEED + i, nets)
        found = {m: net.eval()(*x).float() for m, net in models.items()}
        found |= {"label": label, "agent": got["agent_power"], "other": got["other_power"]}
        for key, value in found.items():
            small = value.byte() if key == "label" else value.half()
            if key in ("agent", "other"):
                small = (10 * torch.log10(value + 1e-12)).half()
            kept.setdefault(key, []).append(small.cpu().numpy())
    for net in models.values():
        net.train()
    return {k: np.concatenate(v) for k, v in kept.items()}


def odds_of(logits: np.ndarray) -> np.ndarray:
    """(..., 4) -> log-odds of the agent alone against all else."""
    x = logits.astype(np.float32)
    rest = np.logaddexp(np.logaddexp(x[..., 0], x[..., 2]), x[..., 3])
    return x[..., 1] - rest


def main() -> None:  # noqa: PLR0915 - one linear recipe
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--scenes", type=int, default=256)
    parser.add_argument("--start", type=Path)
    args = parser.parse_args()
    began = time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(SEED)
    bank = load_bank(args.bank, device)
    weights = dict(np.load(args.bank / "embedding.npz"))
    nets = Features().to(device), Embedding(weights).to(device)
    bank = dataclasses.replace(bank, voices=voices(bank, nets))
    order = np.random.default_rng(SEED).permutation(len(bank.names))
    held, used = order[:HELD_OUT], order[HELD_OUT:]
    clips = np.arange(len(bank.noise_spans))
    planner = Planner(bank, used, clips[clips % 6 != 0], args.seconds)
    checker = Planner(bank, held, clips[clips % 6 == 0], args.seconds)
    models = {m: TargetVoice(m).to(device) for m in ("monitor", "call")}
    if args.start:
        for mode, net in models.items():
            net.load_state_dict(torch.load(args.start / f"{mode}.pt", map_location=device))
    weights_list = [p for net in models.values() for p in net.parameters()]
    adam = torch.optim.AdamW(weights_list, args.rate, weight_decay=1e-2)
    average = {m: {k: v.clone() for k, v in n.state_dict().items()} for m, n in models.items()}
    print({m: sum(p.numel() for p in n.parameters()) for m, n in models.items()}, flush=True)
    plans = Plans(planner, args.batch, SEED + int(args.rate * 1e6))
    ahead = 6 if args.workers else None
    loader = iter(DataLoader(plans, None, num_workers=args.workers, prefetch_factor=ahead))
    limit = args.minutes * 60 - (time.time() - began)
    step, started, log = 0, time.time(), []
    while True:
        done = (time.time() - started) / limit
        if done >= 1:
            break
        for group in adam.param_groups:
            warm = min(1.0, (step + 1) / 200)
            group["lr"] = args.rate * warm * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-6
        *x, label, _ = inputs(bank, next(loader), args.seconds, SEED + step, nets)
        total = torch.zeros((), device=device)
        with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
            for net in models.values():
                total = total + loss_of(net(*x).float(), label)
        adam.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(weights_list, 2.0)
        adam.step()
        step += 1
        keep = min(0.998, step / (step + 20))
        for mode, net in models.items():
            for key, value in net.state_dict().items():
                average[mode][key].lerp_(value, 1 - keep)
        if step % 50 == 0:
            log.append((step, float(total.detach())))
            print(f"{step} {time.time() - started:.0f}s loss {log[-1][1]:.4f}", flush=True)
        if step % 1000 == 0:
            save(args.out, average)
    for mode, net in models.items():
        net.load_state_dict(average[mode])
    save(args.out, average)
    report = {}
    for name in ("hard", "ordinary"):
        checker.hard = name == "hard"
        found = validate(bank, checker, nets, models, args.scenes, args.batch, args.seconds)
        report[name] = {m: judge(odds_of(found[m]), found["label"]) for m in models}
        np.savez_compressed(args.out / f"validation_{name}.npz", **found)
    print(json.dumps(report), step, flush=True)
    (args.out / "log.json").write_text(json.dumps({"steps": step, "report": report, "loss": log}))


def save(out: Path, states: dict[str, dict[str, Tensor]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for mode, state in states.items():
        torch.save({k: v.cpu() for k, v in state.items()}, out / f"{mode}.pt")


if __name__ == "__main__":
    main()
