"""Run the exported networks as a gate would, decide, and score.

python evaluate.py infer  --scenes FOLDER --cache FOLDER --embedding embedding.onnx
python evaluate.py report --scenes FOLDER --cache FOLDER --judge FOLDER_OF_voice_score.py --json OUT
python evaluate.py tune   --validation validation.npz
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import features as ft
import numpy as np
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[np.float32]
HERE = Path(__file__).parent
LOOKAHEAD = {"monitor": 125, "call": 6}  # frames
NOBODY, ALONE, OTHER, OVERLAP = range(4)


def session(path: Path) -> onnxruntime.InferenceSession:
    """A model on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


class SlotStream:
    """Embeddings of the three windows open at each frame, restarted one after another."""

    def __init__(self, model: onnxruntime.InferenceSession) -> None:
        self._model = model
        self._h = np.zeros((3, ft.SLOTS, 256), np.float32)
        self._c = np.zeros_like(self._h)
        self.frame = 0

    def push(self, mel: Array) -> Array:
        """(n, 40) -> (n, SLOTS, 256)."""
        out, at = [], 0
        while at < len(mel):
            phase = self.frame % ft.BLOCK
            if phase == 0:  # the oldest window ends, each moves one slot up, a new one begins
                for state in (self._h, self._c):
                    state[:, 1:] = state[:, :-1].copy()
                    state[:, 0] = 0
            piece = mel[at : at + ft.BLOCK - phase]
            wide = np.repeat(piece[:, None], ft.SLOTS, 1)
            got, self._h, self._c = self._model.run(None, {"mel": wide, "h": self._h, "c": self._c})
            out.append(got)
            at += len(piece)
            self.frame += len(piece)
        return np.concatenate(out) if out else np.zeros((0, ft.SLOTS, 256), np.float32)


@dataclass(frozen=True)
class Voiceprint:
    """template: (SLOTS, 256) unit rows; own: (SLOTS,) mean cosine of the enrollment to them."""

    template: Array
    own: Array


def enroll(recordings: list[Array], model: onnxruntime.InferenceSession) -> Voiceprint:
    """Mean embedding by age of window, over all heard frames of all recordings (16 kHz)."""
    kept = []
    for wave in recordings:
        frames = ft.FrameStream().push(wave)
        got = SlotStream(model).push(frames.mel)
        skip = ft.BLOCK * ft.SLOTS
        heard = frames.sound[:, : ft.BANDS].mean(1) > -0.6
        kept.append(got[skip:][heard[skip:]])
    every = np.concatenate(kept)
    mean = every.mean(0)
    mean /= np.linalg.norm(mean, axis=-1, keepdims=True) + 1e-6
    own = (every * mean).sum(-1).mean(0)
    return Voiceprint(mean.astype(np.float32), own.astype(np.float32))


def augmented(wave: Array, seed: int = 5) -> list[Array]:
    """The enrollment as it came, at 20 and at 10 dB over noise, and through a telephone band."""
    rng = np.random.default_rng(seed)
    level = float(np.sqrt((wave**2).mean()))
    hiss = rng.standard_normal(len(wave)).astype(np.float32)
    spectrum = np.fft.rfft(wave)
    hertz = np.fft.rfftfreq(len(wave), 1 / ft.SAMPLE_RATE_HZ)
    narrow = np.fft.irfft(spectrum * ((hertz > 300) & (hertz < 3400)), len(wave))
    return [
        wave,
        wave + hiss * level * 10 ** (-20 / 20),
        wave + hiss * level * 10 ** (-10 / 20),
        narrow.astype(np.float32),
    ]


class LogitStream:
    """The target-voice network with its state; answers come `LOOKAHEAD` frames late."""

    def __init__(self, model: onnxruntime.InferenceSession, voice: Voiceprint) -> None:
        self._model, self._voice = model, voice
        shape = {i.name: i.shape for i in model.get_inputs()}
        self._past = np.zeros(shape["past"], np.float32)
        self._memory = np.zeros(shape["memory"], np.float32)
        self.frame = 0

    def push(self, sound: Array, slots: Array) -> Array:
        """(n, 41), (n, SLOTS, 256) -> (n, 4), the answer for `LOOKAHEAD` frames before."""
        phase = (np.arange(self.frame, self.frame + len(sound)) % ft.BLOCK).astype(np.float32)
        self.frame += len(sound)
        logits, self._past, self._memory = self._model.run(
            None,
            {
                "sound": sound[None],
                "slots": slots[None],
                "phase": phase,
                "template": self._voice.template[None],
                "own": self._voice.own[None],
                "past": self._past,
                "memory": self._memory,
            },
        )
        return np.asarray(logits[0])


def run(
    wave: Array, voice: Voiceprint, models: dict[str, Any], chunk: int = ft.BLOCK
) -> dict[str, Array]:
    """Logits (T, 4) of each mode for a whole recording, in chunks of `chunk` frames."""
    frames = ft.FrameStream().push(wave)
    got = SlotStream(models["embedding"]).push(frames.mel)
    out = {}
    for mode in (m for m in LOOKAHEAD if m in models):
        lag = LOOKAHEAD[mode]
        stream = LogitStream(models[mode], voice)
        sound = np.concatenate([frames.sound, np.zeros((lag, ft.BANDS + 1), np.float32)])
        slots = np.concatenate([got, np.zeros((lag, ft.SLOTS, 256), np.float32)])
        parts = [
            stream.push(sound[a : a + chunk], slots[a : a + chunk])
            for a in range(0, len(sound), chunk)
        ]
        out[mode] = np.concatenate(parts)[lag:]
    return out


# ------------------------------------------------------------------ the decision
@dataclass(frozen=True)
class Rule:
    """How log-odds become an open gate; lengths in frames of 10 ms.

    The evidence is log P(agent alone) - log P(other or overlap), averaged over `smooth` frames; it
    must exceed `edge` from `before` frames ago until `after` frames ahead.  The agent must have
    been likelier than nobody within `hang` frames, and a gate opens for `shortest` or not at all.
    """

    edge: float
    smooth: int = 5
    before: int = 10
    after: int = 10
    hang: int = 15
    shortest: int = 15


def _slide(x: Array, before: int, after: int, what: str) -> Array:
    """Minimum, maximum or mean over [t - before, t + after], edges repeated."""
    wide = np.pad(x, (before, after), mode="edge")
    view = np.lib.stride_tricks.sliding_window_view(wide, before + after + 1)
    return np.asarray(getattr(view, what)(axis=1))


def _runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    edge = np.flatnonzero(np.diff(np.r_[0, mask.astype(np.int8), 0]))
    return zip(edge[::2].tolist(), edge[1::2].tolist(), strict=True)


def decide(logits: Array, rule: Rule) -> NDArray[np.bool_]:
    """(T, 4) -> (T,) open."""
    x = logits.astype(np.float32)
    clear = x[:, ALONE] - np.logaddexp(x[:, OTHER], x[:, OVERLAP])
    half = min(rule.smooth // 2, rule.after)
    clear = _slide(clear, rule.smooth - 1 - half, half, "mean")
    spoke = x[:, ALONE] - x[:, NOBODY]
    ahead = min(rule.hang, rule.after)
    opened = _slide(clear, rule.before, rule.after - half, "min") > rule.edge
    opened &= _slide(spoke, rule.hang, ahead, "max") > 0
    for a, b in list(_runs(opened)):
        if b - a < rule.shortest:
            opened[a:b] = False
    return opened


MARGINS = {
    "monitor": Rule(0.0, smooth=3, before=10, after=10, hang=15, shortest=5),
    "call": Rule(0.0, smooth=1, before=10, after=1, hang=15, shortest=0),
}
DEFAULTS: dict[str, dict[str, float]] = {
    "monitor": {"normal": -0.5, "strict": 1.0},
    "call": {"normal": -0.5, "strict": 1.0},
}


def gate(wave: Array, opened: NDArray[np.bool_]) -> Array:
    """Samples through the gate; frame t holds samples [160 t + 120, 160 t + 280), its middle."""
    gain = np.zeros(len(wave) + 1000, np.float32)
    wide = np.repeat(opened, ft.HOP)
    gain[120 : 120 + len(wide)] = wide
    ramp = 80  # 5 ms, on the allowed side
    for a, b in _runs(gain[: len(wave)] > 0):
        k = min(ramp, (b - a) // 2)
        gain[a : a + k] *= np.linspace(0, 1, k, dtype=np.float32)
        gain[b - k : b] *= np.linspace(1, 0, k, dtype=np.float32)
    return wave * gain[: len(wave)]


# ------------------------------------------------------------------ commands
def infer(args: argparse.Namespace) -> None:
    """Cache the logits of every scene."""
    import soundfile

    models = {"embedding": session(args.embedding)}
    models |= {m: session(args.models / f"target_voice_{m}.onnx") for m in LOOKAHEAD}
    voices: dict[str, Voiceprint] = {}
    args.cache.mkdir(parents=True, exist_ok=True)
    spent = heard = 0.0
    for folder in sorted(args.scenes.iterdir()):
        target = args.cache / f"{folder.name}.npz"
        if target.exists() or not (folder / "truth.json").exists():
            continue
        name = folder.name.split("-")[1]
        if name not in voices:
            wave, _ = soundfile.read(folder / "enrol.wav", dtype="float32")
            voices[name] = enroll(augmented(wave) if args.augment else [wave], models["embedding"])
        wave, _ = soundfile.read(folder / "mix.wav", dtype="float32")
        began = time.process_time()
        found = run(wave, voices[name], models)
        spent, heard = spent + time.process_time() - began, heard + len(wave) / ft.SAMPLE_RATE_HZ
        np.savez_compressed(target, **{k: v.astype(np.float16) for k, v in found.items()})
    if heard:
        print(f"real-time factor with both modes {spent / heard:.4f} over {heard:.0f} s")


def tune(args: argparse.Namespace) -> None:
    """Sweep margins on frames of validation scenes: leaks at 90, 80 and 60 % kept."""
    found = np.load(args.validation)
    label = found["label"]
    for mode, base in MARGINS.items():
        for smooth, before, after, shortest in _grid(mode):
            rule = replace(base, smooth=smooth, before=before, after=after, shortest=shortest)
            rows = []
            for edge in np.arange(-5, 7, 0.5):
                opened = np.stack([decide(x, replace(rule, edge=edge)) for x in found[mode]])
                rows.append(figures(opened, label))
            curve = np.array(rows)[::-1]
            line = [np.interp(k, curve[:, 0], curve[:, 1]) for k in (90, 80, 60)]
            mute = [np.interp(k, curve[:, 0], curve[:, 2]) for k in (90, 80, 60)]
            print(mode, smooth, before, after, shortest, np.round(line), np.round(mute, 1))


def _grid(mode: str) -> list[tuple[int, int, int, int]]:
    if mode == "monitor":
        return [(s, m, min(m, 20), 5) for s in (1, 3, 7) for m in (5, 10, 15, 20)]
    return [(s, m, 1, 0) for s in (1, 3) for m in (5, 10, 15, 20)]


def figures(opened: NDArray[np.bool_], label: NDArray[Any]) -> tuple[float, float, float]:
    """-> kept %, clear leak ms/min, overlap muted %."""
    return (
        float(100 * opened[label == ALONE].mean()),
        float(60000 * opened[label == OTHER].mean()),
        float(100 * (1 - opened[label == OVERLAP].mean())),
    )


KEYS = (
    "agent_kept_pct",
    "leak_ms_per_min_clear",
    "overlap_muted_pct",
    "longest_leak_ms",
    "leak_events_ge_200ms",
    "onset_clip_ms_p95",
    "leak_ms_per_min_overlap",
    "noise_passed_pct",
)


def report(args: argparse.Namespace) -> None:
    """Score with the project's own judge at several edges. -> JSON and a table."""
    sys.path.insert(0, str(args.judge))
    import voice_score

    rows: list[dict[str, Any]] = []
    for folder in sorted(args.scenes.iterdir()):
        cached = args.cache / f"{folder.name}.npz"
        if not cached.exists() or (args.only and args.only not in folder.name):
            continue
        scene = voice_score.Scene(str(folder))
        logits = np.load(cached)
        preset, agent, seed = folder.name.rsplit("-", 2)
        for mode in LOOKAHEAD:
            edges = args.edges or list(DEFAULTS[mode].values())
            for edge in edges:
                opened = decide(logits[mode], replace(MARGINS[mode], edge=edge))
                out = gate(scene.S["mix"], opened)
                got = voice_score.score(scene, out, do_align=False, estoi=False)
                row = {"preset": preset, "agent": agent, "seed": seed, "mode": mode, "edge": edge}
                rows.append(row | {k: got[k] for k in KEYS} | {"kinds": got["by_kind"]})
    args.json.write_text(json.dumps(rows))
    table(rows)


def table(rows: list[dict[str, Any]]) -> None:
    """Print mean and worst agent for every mode, edge and preset."""
    for mode in LOOKAHEAD:
        for edge in sorted({r["edge"] for r in rows if r["mode"] == mode}):
            mine = [r for r in rows if r["mode"] == mode and r["edge"] == edge]
            print(f"\n{mode} edge {edge}")
            for preset in [*sorted({r["preset"] for r in mine}), "all"]:
                some = [r for r in mine if preset in (r["preset"], "all")]
                print(f"{preset:20s}" + " ".join(summary(some)))


def summary(some: list[dict[str, Any]]) -> list[str]:
    """Cells of one table row; in brackets the worst agent."""
    agents = sorted({r["agent"] for r in some})

    def per(key: str) -> list[float]:
        means = []
        for agent in agents:
            values = [r[key] for r in some if r["agent"] == agent and r[key] is not None]
            if values:
                means.append(float(np.mean(values)))
        return means or [float("nan")]

    kept, clear, muted = (per(k) for k in KEYS[:3])
    longest = max(r["longest_leak_ms"] for r in some)
    events = sum(r["leak_events_ge_200ms"] for r in some)
    clip = per("onset_clip_ms_p95")
    return [
        f"kept {np.mean(kept):5.1f} ({min(kept):5.1f})",
        f"clear {np.mean(clear):6.0f} ({max(clear):6.0f})",
        f"muted {np.mean(muted):5.1f} ({min(muted):5.1f})",
        f"longest {longest:5d} n200 {events:3d} clip95 {np.mean(clip):5.0f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["infer", "report", "tune"])
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--models", type=Path, default=HERE)
    parser.add_argument("--embedding", type=Path)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--edges", type=float, nargs="*")
    parser.add_argument("--validation", type=Path)
    args = parser.parse_args()
    {"infer": infer, "report": report, "tune": tune}[args.command](args)


if __name__ == "__main__":
    main()
