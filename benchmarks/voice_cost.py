"""What the voice gate costs on one core: real-time factor, and time for a block.

    python -m benchmarks.voice_cost [--rate 48000] [--channels 1] [--keys DIR]

Noise goes through in blocks of 20 ms, as from a microphone, the example's voice enrolled. --keys:
with all keys but lips as well, as in ``benchmarks.voice_keys``, whose speaker model is written into
DIR.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import voice_keys
from homeveil.audio import audio_from_array
from homeveil.policy import Policy, Sound
from homeveil.profile.template import Profile
from homeveil.voice_gate import VoiceGate

VOICE = Path(__file__).parents[1] / "examples" / "enroll_voice.wav"
BLOCK_SECONDS = 0.02
SECONDS = 90


def policies(keys: Path | None) -> Iterator[tuple[str, Policy]]:
    """What is timed, by name."""
    for mode in (Sound.MONITOR, Sound.CALL):
        yield mode.value, Policy(sound=mode)
        if keys is not None:
            yield f"{mode.value}, keys", voice_keys.policy_of(mode, keys)


def main() -> int:
    """Time both modes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=48_000)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--keys", type=Path)
    arguments = parser.parse_args()
    rate, count = arguments.rate, round(arguments.rate * BLOCK_SECONDS)
    sound = np.random.default_rng(1).normal(0, 0.05, (arguments.channels, rate * SECONDS))
    print("| mode | real-time factor | 20 ms block p50 ms | p99 ms | worst ms |")
    print("|---|---|---|---|---|")
    for name, policy in policies(arguments.keys):
        gate = VoiceGate(Profile(None, voice=voice_keys.enrolled(VOICE, policy)), policy)
        spent = []
        for at in range(0, sound.shape[1], count):
            block = audio_from_array(sound[:, at : at + count].astype(np.float32), rate, at / rate)
            begin = time.perf_counter()
            for _ in gate.process(block):
                pass
            spent.append(time.perf_counter() - begin)
        took = np.array(spent[50:]) * 1000
        factor = took.mean() / (BLOCK_SECONDS * 1000)
        p50, p99 = np.percentile(took, [50, 99])
        print(f"| {name} | {factor:.3f} | {p50:.2f} | {p99:.2f} | {took.max():.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
