"""What each further key of the voice gate adds, by leaving it out.

    python -m benchmarks.voice_keys --judge DIR --speech DIR --noise DIR --work DIR \
        [--sound monitor] [--json benchmarks/results/voice_keys.json]

Scenes are those of ``benchmarks.voice``, seed 1. The networks run once on each; the gate is
then run over their answers with every set of keys, painted and scored. As the speaker model
of the user's own stands the GE2E encoder that the gate has anyway, made into a network that
takes sound. Needs ``homeveil models pull speech``, the package ``onnx`` and the judge's own.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import platform
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.voice import PRESETS, mean, scenes
from benchmarks.voice_curve import painted
from homeveil._kernels import GateRule, Verdict
from homeveil.clear.gate import ChannelGate, rule_of
from homeveil.clear.keys import KeyRule, key_rule_of
from homeveil.media.sound_reader import SoundReader
from homeveil.models.store import ModelStore
from homeveil.perceive.hearing import (
    FRAMES_AHEAD,
    Heard,
    Listener,
    VoiceModels,
    load_voice_models,
)
from homeveil.perceive.sound_features import (
    FILTERS,
    HOP,
    SAMPLE_RATE_HZ,
    TAPER,
    WINDOW,
)  # fmt: skip
from homeveil.perceive.speech import SpeechStream
from homeveil.policy import ModelFile, Policy, Sound, SpeechKey
from homeveil.profile.voice import VoiceTemplate
from homeveil.voice_enrollment import VoiceEnrollment

NEAR_DB = 12.0
LOOSER = 0.5
"""By which the looser edges lie lower, in natural logarithms of odds."""

FIGURES = (
    "agent_kept_pct", "leak_ms_per_min_clear", "overlap_muted_pct", "leak_events_ge_200ms",
    "longest_leak_ms",
)  # fmt: skip
EVERY = ("speech", "speaker", "near")


@dataclass(frozen=True)
class Setting:
    """One row. silero: the speech key asks it too. stricter: added to the likeness that the
    enrollment's own spread asks for."""

    name: str
    keys: tuple[str, ...]
    silero: bool = True
    looser: bool = False
    near_db: float = NEAR_DB
    stricter: float = 0.0


def settings() -> list[Setting]:
    """None, all, each left out, each alone; the same at looser edges."""
    found = [Setting("none", ()), Setting("all", EVERY)]
    found += [Setting(f"all but {key}", tuple(k for k in EVERY if k != key)) for key in EVERY]
    found += [Setting(f"{key} alone", (key,)) for key in EVERY]
    found += [Setting("speech alone, webrtcvad", ("speech",), silero=False)]
    looser = ("none", "all", *(f"all but {key}" for key in EVERY))
    found += [
        replace(one, name=f"{one.name}, looser", looser=True) for one in found if one.name in looser
    ]
    return found


def speaker_on_sound(ge2e: bytes) -> bytes:
    """The GE2E encoder with its mel front end as operators: sound (1, N) to (1, 256).

    The level of a window is brought to -30 dBFS, as Resemblyzer does.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(ge2e)
    turns = np.outer(np.arange(WINDOW // 2 + 1), np.arange(WINDOW)) * 2 * np.pi / WINDOW
    waves = np.concatenate([np.cos(turns), np.sin(turns)]) * TAPER
    constants = {
        "waves": waves[:, None].astype(np.float32),
        "filters": np.concatenate([FILTERS, FILTERS], axis=1)[:, :, None],
        "level": np.array(10**-3, np.float32),
        "least": np.array(1e-8, np.float32),
        "channel": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
        "end": np.array([2**31], np.int64),
        "time": np.array([0], np.int64),
        "h": np.zeros((3, 1, 256), np.float32),
        "c": np.zeros((3, 1, 256), np.float32),
    }
    front = [
        helper.make_node("Unsqueeze", ["sound", "channel"], ["wide"]),
        helper.make_node("Conv", ["wide", "waves"], ["parts"], strides=[HOP]),
        helper.make_node("Mul", ["parts", "parts"], ["squares"]),
        helper.make_node("Conv", ["squares", "filters"], ["bands"]),
        helper.make_node("Mul", ["wide", "wide"], ["powers"]),
        helper.make_node("ReduceMean", ["powers"], ["power"], axes=[2], keepdims=1),
        helper.make_node("Add", ["power", "least"], ["some_power"]),
        helper.make_node("Div", ["level", "some_power"], ["gain"]),
        helper.make_node("Mul", ["bands", "gain"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["mel"], perm=[2, 0, 1]),
    ]
    back = [
        helper.make_node("Slice", ["slots", "last", "end", "time"], ["ending"]),
        helper.make_node("Squeeze", ["ending", "time"], ["embedding"]),
    ]
    graph = helper.make_graph(
        [*front, *model.graph.node, *back],
        "speaker",
        [helper.make_tensor_value_info("sound", onnx.TensorProto.FLOAT, [1, "N"])],
        [helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, [1, 256])],
        [
            *model.graph.initializer,
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
        ],
    )
    made = helper.make_model(graph, opset_imports=model.opset_import)
    made.ir_version = model.ir_version
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString())


def policy_of(sound: Sound, folder: Path) -> Policy:
    """All keys on; the speaker model is written into ``folder``."""
    speaker = folder / "ge2e_on_sound.onnx"
    data = speaker_on_sound(ModelStore().locate("voice_embedding").read())
    speaker.write_bytes(data)
    return Policy(
        sound=sound,
        speech_key=SpeechKey.SILERO,
        near_db=NEAR_DB,
        models={"speaker": ModelFile(speaker, hashlib.sha256(data).hexdigest())},
    )


@dataclass
class Observed:
    """What the networks gave for one scene. quick: speech by webrtcvad alone. always: the
    key that no policy leaves out, None where there is none."""

    heard: Heard
    quick: np.ndarray
    accept: float
    always: KeyRule | None


def enrolled(recording: Path, policy: Policy) -> VoiceTemplate:
    """The voice in one recording, by the policy's models."""
    enrollment = VoiceEnrollment.with_models_of(policy)
    with SoundReader(recording) as reader:
        enrollment.take(reader, str(recording))
    return enrollment.finish()


def observed(mix: np.ndarray, voice: VoiceTemplate, models: VoiceModels) -> Observed:
    """Run everything once."""
    assert voice.speaker is not None
    listener = Listener(SAMPLE_RATE_HZ, voice, models)
    heard = listener.push(mix).then(listener.finish())
    quick = SpeechStream().push(np.concatenate([mix, np.zeros(SAMPLE_RATE_HZ * 2, np.float32)]))
    always = key_rule_of(Policy(sound=models.mode), voice)
    return Observed(heard, quick, voice.speaker.accept, always)


def opened(one: Observed, setting: Setting, policy: Policy) -> list[bool]:
    """Frames that the gate opens with a set of keys."""
    rule: GateRule = rule_of(policy)
    if setting.looser:
        edges = ("over_other", "over_overlap", "peak")
        rule = replace(rule, **{edge: getattr(rule, edge) - LOOSER for edge in edges})
    keys = replace(
        one.always or KeyRule(FRAMES_AHEAD[policy.sound]),
        speech="speech" in setting.keys,
        accept=one.accept + setting.stricter if "speaker" in setting.keys else None,
        near_db=setting.near_db if "near" in setting.keys else 0.0,
    )
    heard = one.heard if setting.silero else replace(one.heard, speech=one.quick)
    gate = ChannelGate(rule, keys if setting.keys else one.always)
    verdicts = [*gate.take(heard), *gate.finish()]
    return [verdict is Verdict.OPEN for verdict, _ in verdicts]


def scored(folder: Path, policy: Policy, scorer: Any) -> list[dict[str, Any]]:
    """All settings on one scene."""
    mix = scorer.decode(str(folder / "mix.wav")).astype(np.float32)
    one = observed(mix, enrolled(folder / "enrol.wav", policy), load_voice_models(policy))
    scene = scorer.Scene(str(folder))
    preset, agent, seed = folder.name.rsplit("-", 2)
    rows = []
    for setting in settings():
        out = painted(mix, opened(one, setting, policy))
        result = scorer.score(scene, out, do_align=False, estoi=False)
        rows.append(
            {"preset": preset, "agent": agent, "seed": int(seed), "setting": setting.name}
            | {"accept": round(one.accept, 3)}
            | {figure: result[figure] for figure in FIGURES}
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Means over scenes, events as a sum."""
    lines = [
        "| keys | kept % | clear leak ms/min | overlap muted % | events >= 200 ms | longest ms |",
        "|---|---|---|---|---|---|",
    ]
    for setting in settings():
        mine = [row for row in rows if row["setting"] == setting.name]
        cells = [mean(row[figure] for row in mine) or 0.0 for figure in FIGURES[:3]]
        events, longest = (
            [row[figure] for row in mine]
            for figure in ("leak_events_ge_200ms", "longest_leak_ms")
        )
        lines.append(
            f"| {setting.name} | {cells[0]:.1f} | {cells[1]:.1f} | {cells[2]:.1f} | "
            f"{sum(events)} | {max(longest)} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Score everything; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("judge", "speech", "noise", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--sound", choices=("monitor", "call"), default="monitor")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    policy = policy_of(Sound(arguments.sound), arguments.work)
    folders = scenes(arguments)
    scorer = importlib.import_module("voice_score")
    rows: list[dict[str, Any]] = []
    for number, folder in enumerate(folders, 1):
        rows += scored(folder, policy, scorer)
        print(f"{number}/{len(folders)} {folder.name}", file=sys.stderr)
    print(table(rows))
    if arguments.json:
        document = {
            "date": time.strftime("%Y-%m-%d"),
            "sound": arguments.sound,
            "near_db": NEAR_DB,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "scenes": rows,
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
