"""Meeting recordings with speaker labels: each speaker in turn as the agent.

    python -m benchmarks.voice_ami --meetings DIR [--sound monitor] [--strict]

meetings: folder of ``.wav`` and ``labels.rttm``. A speaker is enrolled on what the labels say
is theirs alone in the first half of a recording (or in the recordings where they speak most)
and judged on the rest. The labels are all the truth there is: a sample counts as leaked when
only others speak, as kept when only the agent does. Recordings are far below the 20 s of speech
that `homeveil enroll` asks for, so the template is made without its checks.
"""

from __future__ import annotations

import argparse
import sys
import unicodedata
from pathlib import Path

import numpy as np

from homeveil.audio import audio_from_array
from homeveil.media.sound_reader import SoundReader
from homeveil.policy import Policy, Sound
from homeveil.profile.template import Profile
from homeveil.voice_enrollment import VoiceEnrollment
from homeveil.voice_gate import VoiceGate

STEP = 100  # labels are looked at 100 times a second
LEAST_SECONDS = 4.0

Spans = dict[str, np.ndarray]


def labels(path: Path, seconds: dict[str, float]) -> dict[str, Spans]:
    """Of each recording, who speaks when: (n,) for each speaker."""
    frames = {name: round(length * STEP) for name, length in seconds.items()}
    found: dict[str, Spans] = {name: {} for name in seconds}
    for line in path.read_text("utf-8").splitlines():
        words = line.split()
        name = unicodedata.normalize("NFKD", words[1]).encode("ascii", "ignore").decode()
        start, length = float(words[3]), float(words[4])
        spoken = found[name].setdefault(words[7], np.zeros(frames[name], bool))
        spoken[round(start * STEP) : round((start + length) * STEP)] = True
    return found


def main() -> int:
    """Score every speaker who says enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--meetings", type=Path, required=True)
    parser.add_argument("--sound", choices=("monitor", "call"), default="monitor")
    parser.add_argument("--strict", action="store_true")
    arguments = parser.parse_args()
    policy = Policy(sound=Sound(arguments.sound), strict_voice=arguments.strict)
    sounds, rate = {}, 0
    for file in sorted(arguments.meetings.glob("*.wav")):
        name = unicodedata.normalize("NFKD", file.stem).encode("ascii", "ignore").decode()
        with SoundReader(file) as reader:
            sounds[name] = np.concatenate([block.samples for block in reader], axis=1)
            rate = reader.rate
    spoken = labels(
        arguments.meetings / "labels.rttm",
        {name: sound.shape[1] / rate for name, sound in sounds.items()},
    )
    # Labels end before the recordings do; what they do not tell is not judged.
    ends = {name: max((int(np.flatnonzero(s)[-1]) for s in who.values()), default=0)
            for name, who in spoken.items()}  # fmt: skip
    print("| agent | enrolled s | kept % | clear leak ms/min | overlap muted % | others s |")
    print("|---|---|---|---|---|---|")
    for agent in sorted({one for who in spoken.values() for one in who}):
        row = judge(agent, sounds, spoken, ends, rate, policy)
        if row is not None:
            print(f"| {agent} | " + " | ".join(row) + " |")
    return 0


def judge(
    agent: str, sounds: dict[str, np.ndarray], spoken: dict[str, Spans], ends: dict[str, int],
    rate: int, policy: Policy,
) -> list[str] | None:  # fmt: skip
    """Enroll one speaker, gate all recordings, count; None if there is too little of them."""
    alone = {
        name: who[agent] & ~np.any([s for k, s in who.items() if k != agent] or [False], axis=0)
        for name, who in spoken.items() if agent in who
    }  # fmt: skip
    most = max(alone, key=lambda name: alone[name].sum())
    mine = np.flatnonzero(alone[most])
    if len(mine) < 2 * LEAST_SECONDS * STEP:
        return None
    middle = int(mine[len(mine) // 2])
    used = alone[most].copy()
    used[middle:] = False
    wide = np.repeat(used, rate // STEP)[: sounds[most].shape[1]]
    enrollment = VoiceEnrollment.with_models_of(policy)
    recording = enrollment.measure(
        [audio_from_array(sounds[most][:, : len(wide)][:, wide], rate, 0.0)], most
    )
    profile = Profile(None, voice=enrollment.template([recording]))
    kept = own = leaked = others = muted = both = 0
    for name, sound in sounds.items():
        gate = VoiceGate(profile, policy)
        pieces = [*gate.process(audio_from_array(sound, rate, 0.0)), *gate.flush()]
        out = np.concatenate([piece.samples for piece in pieces], axis=1)[0]
        count = ends[name]
        frames = out[: count * (rate // STEP)].reshape(count, -1)
        passed = np.abs(frames).max(1) > 0
        judged = np.arange(count) >= (middle if name == most else 0)
        who = spoken[name]
        me = who[agent][:count] if agent in who else np.zeros(count, bool)
        rest = np.any([s[:count] for k, s in who.items() if k != agent] or [me & False], axis=0)
        kept += int((passed & me & ~rest & judged).sum())
        own += int((me & ~rest & judged).sum())
        leaked += int((passed & rest & ~me & judged).sum())
        others += int((rest & judged).sum())
        both += int((me & rest & judged).sum())
        muted += int((~passed & me & rest & judged).sum())
    return [
        f"{used.sum() / STEP:.1f}",
        f"{100 * kept / own:.0f}" if own else "-",
        f"{60_000 * leaked / others:.0f}" if others else "-",
        f"{100 * muted / both:.0f}" if both else "-",
        f"{others / STEP:.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
