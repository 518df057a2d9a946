"""Endless random scenes of a home microphone, planned in numpy and rendered in torch.

A plan is drawn on the CPU from a seed (who speaks when, how loud, in which room); `render` turns a
batch of plans into sound and frame labels on whatever device the bank lies on.  Nothing here knows
the scenes homeveil is judged on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as fn

RATE, HOP, WINDOW = 16_000, 160, 400
ROWS = 5  # the agent, three others, and the enrollment of the agent
AGENT, ENROLL = 0, 4
NOMINAL_DB = -24.0  # every utterance in the bank is brought to this active level
RIR = 12_800
LONGEST = 6 * RATE  # of one piece of speech
NOBODY, ALONE, OTHER, OVERLAP = range(4)


@dataclass(frozen=True)
class Bank:
    """All speech and noise as two flat arrays; `spans[s]` = [start, end) of speaker s."""

    speech: Tensor
    spans: np.ndarray
    sexes: np.ndarray
    noise: Tensor
    noise_spans: np.ndarray
    names: list[str]
    voices: np.ndarray = field(default_factory=lambda: np.zeros((0, 256), np.float32))


def _active_rms(wave: np.ndarray) -> float:
    count = len(wave) // 320
    power = (wave[: count * 320].reshape(count, 320) ** 2).mean(1)
    loud = power > np.percentile(power, 95) * 1e-3
    return float(np.sqrt(power[loud].mean()))


def load_bank(folder: Path, device: str) -> Bank:
    """Read `folder/speech/*.flac` (LibriSpeech names), SPEAKERS.TXT and `folder/noise/*.ogg`."""
    import soundfile

    sex_of = {}
    for line in (folder / "speech/SPEAKERS.TXT").read_text(errors="replace").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if not line.startswith(";") and len(cells) > 2:
            sex_of[cells[0]] = cells[1]
    waves, spans, sexes, names, at = [], [], [], [], 0
    for path in sorted((folder / "speech").glob("*.flac")):
        wave, _ = soundfile.read(path, dtype="float32")
        power = (wave[: len(wave) // HOP * HOP].reshape(-1, HOP) ** 2).mean(1)
        heard = np.flatnonzero(power > np.percentile(power, 95) * 1e-3)
        wave = wave[max(0, heard[0] - 4) * HOP : (heard[-1] + 5) * HOP]
        wave = wave * (10 ** (NOMINAL_DB / 20) / _active_rms(wave))
        name = re.match(r"(\d+)-", path.name)
        waves.append(wave)
        spans.append((at, at + len(wave)))
        at += len(wave)
        names.append(name[1] if name else path.stem)
        sexes.append(sex_of.get(names[-1]) == "F")
    noises, noise_spans, at = [], [], 0
    for path in sorted((folder / "noise").glob("*.ogg")):
        wave, _ = soundfile.read(path, dtype="float32")
        wave = wave / max(1e-4, float(np.sqrt((wave**2).mean())))
        noises.append(wave)
        noise_spans.append((at, at + len(wave)))
        at += len(wave)
    return Bank(
        torch.from_numpy(np.concatenate(waves)).to(device),
        np.array(spans),
        np.array(sexes),
        torch.from_numpy(np.concatenate(noises)).to(device),
        np.array(noise_spans),
        names,
    )


@dataclass
class Plan:
    """One scene: `pieces` of (row, start, length, bank offset, bank end, ratio, gain dB)."""

    pieces: list[tuple[float, ...]] = field(default_factory=list)
    clips: list[tuple[float, ...]] = field(default_factory=list)
    level_db: np.ndarray = field(default_factory=lambda: np.full(ROWS, NOMINAL_DB))
    decay_s: np.ndarray = field(default_factory=lambda: np.full(ROWS, 0.3))
    direct_db: np.ndarray = field(default_factory=lambda: np.full(ROWS, 12.0))
    band_hz: np.ndarray = field(default_factory=lambda: np.tile([20.0, 8000.0], (ROWS, 1)))
    squeezed: np.ndarray = field(default_factory=lambda: np.zeros(ROWS, bool))
    sway_db: np.ndarray = field(default_factory=lambda: np.zeros(ROWS))
    snr_db: float = 30.0
    enroll_snr_db: float = 40.0
    tilt: float = 1.0
    traffic: float = 0.0


@dataclass(frozen=True)
class Voice:
    """A speaker of the bank, perhaps shifted in pitch and formants, and the part to draw from."""

    start: int
    end: int
    ratio: float


class Planner:
    """Draws plans for scenes of `seconds` from the speakers `allowed`.

    `hard` scenes (for training) also hold voices made from the agent's own and much noise;
    the others are an ordinary home.
    """

    hard = True

    def __init__(self, bank: Bank, allowed: np.ndarray, clips: np.ndarray, seconds: float) -> None:
        self.spans, self.sexes, self.noise_spans = bank.spans, bank.sexes, bank.noise_spans
        self.allowed, self.clips, self.seconds = allowed, clips, seconds
        lengths = bank.spans[:, 1] - bank.spans[:, 0]
        self.agents = [s for s in allowed if lengths[s] > 9 * RATE]
        close = bank.voices @ bank.voices.T if len(bank.voices) else np.zeros((len(lengths),) * 2)
        self.close = close

    def draw(self, seed: int) -> Plan:
        """The plan of one scene; the same seed gives the same plan."""
        rng = np.random.default_rng(seed)
        plan = Plan()
        agent = int(rng.choice(self.agents))
        ratio = 1.0 if rng.random() < 0.5 else rng.uniform(0.85, 1.18)
        start, end = (int(x) for x in self.spans[agent])
        cut = start + int((end - start) * rng.uniform(0.45, 0.55))
        mine, learnt = Voice(start, cut, ratio), Voice(cut, end, ratio * rng.normal(1, 0.01))
        if rng.random() < 0.5:
            mine, learnt = Voice(cut, end, ratio), Voice(start, cut, learnt.ratio)
        nominal = NOMINAL_DB + rng.uniform(-9, 5)
        plan.level_db[:] = nominal
        present = rng.random() < 0.82
        kinds = self._kinds(rng, present)
        self._rooms(rng, plan, nominal, kinds)
        readers = [self._others(rng, agent, mine, kind) for kind in kinds]
        self._timeline(rng, plan, [mine] if present else [], kinds, readers)
        self._enroll(rng, plan, learnt)
        self._noise(rng, plan)
        return plan

    def _kinds(self, rng: np.random.Generator, present: bool) -> list[str]:
        if present and rng.random() < 0.1:
            return []
        names = ["near", "far", "tv", "child", "phone", "faint"]
        count = int(rng.choice([1, 2, 3], p=[0.6, 0.28, 0.12]))
        return [str(k) for k in rng.choice(names, count, p=[0.3, 0.2, 0.16, 0.12, 0.14, 0.08])]

    def _rooms(self, rng, plan: Plan, nominal: float, kinds: list[str]) -> None:  # type: ignore[no-untyped-def]
        plan.decay_s[:] = rng.uniform(0.15, 0.7)
        plan.direct_db[AGENT], plan.direct_db[ENROLL] = rng.uniform(4, 18), rng.uniform(6, 18)
        plan.decay_s[ENROLL] = rng.uniform(0.15, 0.6)
        plan.sway_db[AGENT] = rng.uniform(0, 3)
        below = {
            "near": (-8, 3),
            "far": (-14, -5),
            "tv": (-16, -4),
            "child": (-13, -2),
            "phone": (-11, -1),
        }
        direct = {
            "near": (2, 14),
            "far": (-5, 4),
            "tv": (-4, 5),
            "child": (-4, 6),
            "phone": (2, 12),
        }
        for row, kind in enumerate(kinds, start=1):
            plan.level_db[row] = nominal + rng.uniform(*below.get(kind, (-19, -11)))
            plan.direct_db[row] = rng.uniform(*direct.get(kind, (-6, 4)))
            plan.decay_s[row] = plan.decay_s[AGENT] * rng.uniform(0.8, 1.6)
            plan.sway_db[row] = rng.uniform(0, 5)
            if kind == "tv":
                plan.band_hz[row] = rng.uniform(60, 220), rng.uniform(4500, 7800)
                plan.squeezed[row] = rng.random() < 0.8
            elif kind == "phone":
                plan.band_hz[row] = rng.uniform(180, 400), rng.uniform(3000, 4200)
                plan.squeezed[row] = rng.random() < 0.5
        if rng.random() < 0.08:  # the agent's own microphone is narrow
            plan.band_hz[:, 1] = np.minimum(plan.band_hz[:, 1], rng.uniform(3400, 6500))
        if rng.random() < 0.15:
            plan.band_hz[ENROLL] = rng.uniform(50, 300), rng.uniform(3400, 7500)

    def _others(self, rng, agent: int, mine: Voice, kind: str) -> list[Voice]:  # type: ignore[no-untyped-def]
        found = []
        for _ in range(int(rng.integers(2, 5)) if kind == "tv" else 1):
            draw = rng.random()
            if self.hard and draw < 0.1 and kind != "child":
                # the agent's own voice, moved to another body
                by = rng.choice([rng.uniform(0.78, 0.87), rng.uniform(1.15, 1.28)])
                found.append(Voice(mine.start, mine.end, mine.ratio * by))
                continue
            rest = self.allowed[self.allowed != agent]
            same = rest[self.sexes[rest] == self.sexes[agent]]
            pool = rest if draw > 0.75 else same
            if draw < 0.45:
                pool = pool[np.argsort(-self.close[agent, pool])[:12]]
            ratio = mine.ratio if draw < 0.45 else rng.uniform(0.88, 1.15)
            ratio = 1.0 if rng.random() < 0.4 else ratio
            ratio = rng.uniform(1.18, 1.5) if kind == "child" else ratio
            start, end = (int(x) for x in self.spans[int(rng.choice(pool))])
            found.append(Voice(start, end, float(ratio)))
        return found

    def _piece(self, rng, plan: Plan, row: int, voice: Voice, at: float, seconds: float) -> float:  # type: ignore[no-untyped-def]
        """Add a piece at `at` seconds; -> its length in seconds, shorter where the voice ends."""
        room = (voice.end - voice.start) / RATE / voice.ratio
        seconds = max(0.0, min(seconds, room - 0.02, LONGEST / RATE, self.seconds - at))
        if at < 0 or seconds < 0.15:
            return 0.0
        spare = (voice.end - voice.start) - seconds * RATE * voice.ratio
        offset = voice.start + rng.uniform(0, max(1.0, spare))
        piece = (row, at * RATE, seconds * RATE, offset, voice.end, voice.ratio, rng.uniform(-2, 2))
        plan.pieces.append(piece)
        return seconds

    def _timeline(self, rng, plan, agent, kinds, readers) -> None:  # type: ignore[no-untyped-def]
        behind = [k in ("tv", "child", "faint") and rng.random() < 0.7 for k in kinds]
        turning = [i for i, b in enumerate(behind) if not b]
        overlaps = rng.choice([0.0, 0.3, 0.7])
        backs = rng.choice([0.0, 0.4, 0.8])
        share = rng.uniform(0.3, 0.75) if turning else 1.0
        at = rng.uniform(0, 1.0)
        while at < self.seconds - 0.3:
            if agent and (not turning or rng.random() < share):
                length = self._piece(
                    rng, plan, AGENT, agent[0], at, float(np.exp(rng.normal(0.9, 0.6)))
                )
                if turning and length > 1.2 and rng.random() < backs:
                    i = int(rng.choice(turning))
                    brief = rng.uniform(0.3, 1.2)
                    inside = at + rng.uniform(0.1, max(0.2, length - brief))
                    self._piece(rng, plan, 1 + i, readers[i][0], inside, brief)
            elif turning:
                i = int(rng.choice(turning))
                voice = readers[i][int(rng.integers(len(readers[i])))]
                length = self._piece(
                    rng, plan, 1 + i, voice, at, float(np.exp(rng.normal(0.5, 0.8)))
                )
            else:
                length = rng.uniform(0.5, 2)
            lap = rng.random() < overlaps
            at += length + (-rng.uniform(0, 0.7) * length if lap else rng.gamma(1.5, 0.35)) + 0.05
        for i in (i for i, b in enumerate(behind) if b):
            at = rng.uniform(0, 4)
            while at < self.seconds - 0.3:
                voice = readers[i][int(rng.integers(len(readers[i])))]
                at += self._piece(rng, plan, 1 + i, voice, at, rng.uniform(1, 6)) + 0.05
                at += rng.gamma(1.2, 0.5) if rng.random() < 0.7 else rng.uniform(1, 5)

    def _enroll(self, rng, plan: Plan, voice: Voice) -> None:  # type: ignore[no-untyped-def]
        length = (voice.end - voice.start) / voice.ratio
        plan.pieces.append(
            (ENROLL, 0, min(length, LONGEST), voice.start, voice.end, voice.ratio, 0.0)
        )
        plan.enroll_snr_db = rng.uniform(20, 50)

    def _noise(self, rng, plan: Plan) -> None:  # type: ignore[no-untyped-def]
        low, high = ((15, 42), (5, 15), (-1, 8))[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
        plan.snr_db = rng.uniform(low, high) if self.hard else rng.uniform(18, 35)
        plan.tilt = rng.uniform(0, 2)
        plan.traffic = rng.uniform(0.2, 1.0) if rng.random() < 0.3 else 0.0
        for _ in range(int(rng.integers(1, 5)) if rng.random() < 0.6 else 0):
            start, end = (int(x) for x in self.noise_spans[int(rng.choice(self.clips))])
            at = rng.uniform(-1, self.seconds - 1) * RATE
            plan.clips.append((at, start, end, rng.uniform(-6, 9)))


def _gather(bank: Tensor, offset: Tensor, end: Tensor, ratio: Tensor, length: int) -> Tensor:
    """Read `length` samples from each offset at `ratio` input samples a step (cubic Hermite)."""
    steps = torch.arange(length, device=bank.device, dtype=torch.float64)
    where = offset[:, None] + steps[None] * ratio[:, None]
    where = torch.minimum(where, end[:, None] - 4.0).clamp(min=1.0)
    whole = where.floor()
    part = (where - whole).float()
    at = whole.long()
    p0, p1, p2, p3 = (bank[at + k] for k in (-1, 0, 1, 2))
    a = 1.5 * (p1 - p2) + 0.5 * (p3 - p0)
    b = p0 - 2.5 * p1 + 2 * p2 - 0.5 * p3
    return ((a * part + b) * part + 0.5 * (p2 - p0)) * part + p1


def _shapes(plans: list[Plan], bins: int, device: str, rng: np.random.Generator) -> Tensor:
    """Magnitude responses (B, ROWS, bins): band edges, a microphone's and each source's colour."""
    hertz = np.maximum(np.linspace(0, RATE / 2, bins), 20.0)
    octave = torch.tensor(np.log2(hertz / 1000), device=device, dtype=torch.float32)
    count = len(plans)

    def colour(rows: int, spread: float) -> Tensor:
        size = (count, rows, 3)
        depth = torch.tensor(rng.normal(0, spread, size), device=device, dtype=torch.float32)
        phase = torch.tensor(rng.uniform(0, 6.28, size), device=device, dtype=torch.float32)
        rate = torch.tensor(rng.uniform(0.4, 2.2, size), device=device, dtype=torch.float32)
        return (depth[..., None] * torch.cos(rate[..., None] * octave + phase[..., None])).sum(2)

    scene = colour(2, 1.5)
    colours = colour(ROWS, 1.2)
    colours = colours + torch.cat([scene[:, :1].expand(-1, ROWS - 1, -1), scene[:, 1:]], 1)
    edge = torch.tensor(np.stack([p.band_hz for p in plans]), device=device, dtype=torch.float32)
    f = torch.tensor(hertz, device=device, dtype=torch.float32)
    low, high = (f / edge[..., :1]) ** 4, (f / edge[..., 1:]) ** 8
    sides = (low / (1 + low)) / (1 + torch.where(edge[..., 1:] < 7900, high, high * 0))
    return sides * 10 ** (colours / 20)


def frame_power(wave: Tensor) -> Tensor:
    """(..., N) samples -> (..., T) mean square of the frames of `features.py`."""
    flat = wave.reshape(-1, 1, wave.shape[-1])
    return fn.avg_pool1d(flat**2, WINDOW, HOP).reshape(*wave.shape[:-1], -1)


def _dry(bank: Bank, plans: list[Plan], seconds: float) -> Tensor:
    """The voices before any room, with their slow changes of level. -> (B, ROWS, N)."""
    device = bank.speech.device
    count, samples = len(plans), int(seconds * RATE)
    dry = torch.zeros(count * ROWS * (samples + LONGEST), device=device)
    rows = np.array(
        [(i * ROWS + p[0], *p[1:]) for i, plan in enumerate(plans) for p in plan.pieces]
    )
    cells = torch.tensor(rows, device=device, dtype=torch.float64)
    wave = _gather(bank.speech, cells[:, 3], cells[:, 4], cells[:, 5], LONGEST)
    steps = torch.arange(LONGEST, device=device)
    inside = torch.minimum(steps[None] + 1, cells[:, 2:3].long() - steps[None]).clamp(0, 80) / 80.0
    wave = wave * inside * 10 ** (cells[:, 6:7].float() / 20)
    begin = cells[:, 0].long() * (samples + LONGEST) + cells[:, 1].long()
    dry.index_add_(0, (begin[:, None] + steps[None]).reshape(-1), wave.reshape(-1))
    dry = dry.view(count, ROWS, -1)[..., :samples]

    knots = torch.randn(count, ROWS, int(seconds) + 1, device=device)
    sway = torch.tensor(np.stack([p.sway_db for p in plans]), device=device, dtype=torch.float32)
    sway_db = fn.interpolate(knots * sway[..., None] * 0.6, size=samples, mode="linear")
    dry = dry * 10 ** (sway_db / 20)
    squeezed = torch.tensor(np.stack([p.squeezed for p in plans]), device=device)
    if squeezed.any():
        loud = dry[squeezed]
        power = fn.avg_pool1d(loud[:, None] ** 2, 801, 1, 400)[:, 0].clamp(min=1e-8) ** 0.5
        dry[squeezed] = loud * (power / power.amax(1, keepdim=True)) ** -0.5
    return dry


def _rooms_of(dry: Tensor, plans: list[Plan], rng: np.random.Generator) -> Tensor:
    """(B, ROWS, N) through synthetic rooms, microphones and loudspeakers; levels left open."""
    device, count, samples = str(dry.device), len(plans), dry.shape[-1]
    size = 1 << int(np.ceil(np.log2(samples + RIR)))
    time = torch.arange(RIR, device=device) / RATE
    decay = torch.tensor(np.stack([p.decay_s for p in plans]), device=device, dtype=torch.float32)
    direct = torch.tensor(np.stack([p.direct_db for p in plans]), device=device)
    tail = torch.randn(count, ROWS, RIR, device=device) * torch.exp(-6.9 * time / decay[..., None])
    tail[..., :32] = 0
    early = torch.rand(count, ROWS, RIR, device=device) < (8 / 480)
    early[..., 480:] = False
    tail = tail + 3.0 * tail * early
    energy = (tail**2).sum(-1, keepdim=True).sqrt()
    tail = tail / energy * 10 ** (-direct[..., None].float() / 20)
    tail[..., 0] = 1.0
    colour = _shapes(plans, size // 2 + 1, device, rng)
    return torch.fft.irfft(torch.fft.rfft(dry, size) * torch.fft.rfft(tail, size) * colour, size)[
        ..., :samples
    ]


def render(bank: Bank, plans: list[Plan], seconds: float, seed: int) -> dict[str, Tensor]:
    """-> mix (B, N), enroll (B, LONGEST), label (B, T) of the four classes, stem powers (B, T)."""
    device = str(bank.speech.device)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    samples = int(seconds * RATE)
    wet = _rooms_of(_dry(bank, plans, seconds), plans, rng)

    wanted = torch.tensor(np.stack([p.level_db for p in plans]), device=device)
    power = frame_power(wet)
    loud = torch.quantile(power, 0.97, dim=-1, keepdim=True)
    heard = (power > loud * 1e-3) & (power > 1e-9)
    level = (power * heard).sum(-1) / heard.sum(-1).clamp(min=1)
    gain = 10 ** (wanted.float() / 20) / level.clamp(min=1e-9).sqrt()
    gain = torch.where(level > 1e-8, gain, torch.zeros_like(gain))
    wet = wet * gain[..., None]

    nominal = wanted[:, AGENT].float()
    noise = _noise(bank, plans, samples, rng)
    snr = torch.tensor([p.snr_db for p in plans], device=device)
    noise = noise / (noise**2).mean(-1, keepdim=True).sqrt().clamp(min=1e-6)
    noise = noise * 10 ** ((nominal - snr)[:, None] / 20)
    noise = noise + torch.randn_like(noise) * 10 ** (rng.uniform(-80, -62) / 20)
    agent, others = wet[:, AGENT], wet[:, 1:ENROLL].sum(1)
    label = 2 * _active(others, nominal).long() + _active(agent, nominal).long()
    enroll = wet[:, ENROLL, :LONGEST]
    quiet = torch.tensor([p.enroll_snr_db for p in plans], device=device)
    hiss = torch.randn_like(enroll) * 10 ** ((nominal - quiet)[:, None] / 20)
    return {
        "mix": (agent + others + noise).clamp(-1, 1),
        "enroll": enroll + hiss,
        "label": label,
        "agent_power": frame_power(agent),
        "other_power": frame_power(others),
    }


def _active(stem: Tensor, nominal: Tensor) -> Tensor:
    """(B, N) -> (B, T): a stem is heard where it is near its own and the scene's level."""
    db = 10 * torch.log10(frame_power(stem) + 1e-12)
    on = db > nominal[:, None] - 21.5
    own = (10 ** (db / 10) * on).sum(-1) / on.sum(-1).clamp(min=1)
    return on & (db > 10 * torch.log10(own + 1e-12)[:, None] - 30)


def _noise(bank: Bank, plans: list[Plan], samples: int, rng: np.random.Generator) -> Tensor:
    """Coloured noise, slow traffic and household clips, not yet scaled. -> (B, samples)."""
    device = bank.noise.device
    count = len(plans)
    bins = samples // 2 + 1
    octave = torch.linspace(0, RATE / 2, bins, device=device).clamp(min=40) / 1000
    tilt = torch.tensor([p.tilt for p in plans], device=device)[:, None]
    white = torch.randn(count, samples, device=device)
    base = torch.fft.irfft(torch.fft.rfft(white) * octave[None] ** (-tilt), samples)
    base = base / base.std(-1, keepdim=True)
    traffic = torch.tensor([p.traffic for p in plans], device=device)[:, None]
    knots = torch.randn(count, 1, 5, device=device)
    swell = fn.interpolate(knots, size=samples, mode="linear")[:, 0]
    base = base * torch.exp(traffic * swell)
    for i, plan in enumerate(plans):
        for at, start, end, gain_db in plan.clips:
            a, b = max(0, int(at)), min(samples, int(at) + int(end - start))
            skip = int(start) + a - int(at)
            if b > a:
                base[i, a:b] += bank.noise[skip : skip + b - a] * 10 ** (gain_db / 20)
    return base
