"""What the further keys of the gate bring on scenes of held-out speakers.

PYTHONPATH=../.. python tune_keys.py --bank BANK --work FOLDER --mode monitor --scenes 96

The scenes are drawn as for validation in ``train.py``, 24 s each. Beside the settings of
``benchmarks.voice_keys`` it tries other levels and thresholds. As in `tune.py` frames are
counted by their labels; enrollment is 6 s and goes without its checks.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch
from benchmarks.voice_keys import Setting, observed, opened, policy_of, settings
from network import Embedding, Features
from scenes import Planner, load_bank, render
from train import HELD_OUT, SEED, voices
from tune import figures

from homeveil.audio import audio_from_array
from homeveil.perceive.hearing import load_voice_models
from homeveil.perceive.sound_features import SAMPLE_RATE_HZ
from homeveil.policy import Policy, Sound
from homeveil.voice_enrollment import VoiceEnrollment

SECONDS = 24.0
BATCH = 4
FIRST_SCENE = SEED + 12_000_000
"""Seeds of scenes that neither training nor the choice of the gate's settings has drawn."""


def tried() -> list[Setting]:
    """All settings."""
    more = [Setting(f"near alone, {db} dB", ("near",), near_db=db) for db in (6.0, 9.0, 18.0)]
    more += [
        Setting(f"speaker alone, {by:+.2f}", ("speaker",), stricter=by) for by in (-0.1, 0.05)
    ]
    return [*settings(), *more]


def main() -> None:
    """Draw, listen, count."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--mode", choices=("monitor", "call"), default="monitor")
    parser.add_argument("--scenes", type=int, default=96)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bank = load_bank(arguments.bank, "cpu")
    nets = Features(), Embedding(dict(np.load(arguments.bank / "embedding.npz")))
    bank = dataclasses.replace(bank, voices=voices(bank, nets))
    held = np.random.default_rng(SEED).permutation(len(bank.names))[:HELD_OUT]
    clips = np.arange(len(bank.noise_spans))
    planner = Planner(bank, held, clips[clips % 6 == 0], SECONDS)
    planner.hard = False
    policy = policy_of(Sound(arguments.mode), arguments.work)
    models = load_voice_models(policy)
    enrollment = VoiceEnrollment.with_models_of(policy)
    found: dict[str, list[np.ndarray]] = {setting.name: [] for setting in tried()}
    labels: list[np.ndarray] = []
    refused = 0
    for first in range(0, arguments.scenes, BATCH):
        plans = [planner.draw(FIRST_SCENE + first + k) for k in range(BATCH)]
        with torch.no_grad():
            scenes = render(bank, plans, SECONDS, FIRST_SCENE + first)
        for mix, own, label in zip(
            *(scenes[name].numpy() for name in ("mix", "enroll", "label")), strict=True
        ):
            voice = audio_from_array(own[None], SAMPLE_RATE_HZ, 0.0)
            try:
                template = enrollment.template([enrollment.measure([voice], "enroll")])
            except Exception:
                refused += 1
                continue
            one = observed(mix, template, models)
            labels.append(label)
            for setting in tried():
                found[setting.name].append(opened_of(one, setting, policy, len(label)))
        print(first + BATCH, flush=True)
        if (first // BATCH) % 6 == 5 or first + BATCH >= arguments.scenes:
            table(found, np.stack(labels))
    print(f"{len(labels)} scenes; {refused} whose enrollment was too short")


def opened_of(one, setting: Setting, policy: Policy, count: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.array(opened(one, setting, policy)[:count])


def table(found: dict[str, list[np.ndarray]], label: np.ndarray) -> None:
    """Figures of every setting so far."""
    print("| keys | kept % | clear leak ms/min | overlap muted % |\n|---|---|---|---|")
    for name, rows in found.items():
        kept, clear, muted = figures(np.stack(rows), label)
        print(f"| {name} | {kept:.1f} | {clear:.0f} | {muted:.2f} |", flush=True)


if __name__ == "__main__":
    main()
