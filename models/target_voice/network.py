"""The target-voice network in torch: frozen voice embedding, features, trunk, four classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from homeveil.perceive import sound_features as ft
from homeveil.perceive.voices import BLOCK
from homeveil.profile.voice import SLOTS

CLASSES = 4
WIDTH = 96
# (dilation, frames of right context) of each block
PLANS = {
    "monitor": [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (32, 32), (16, 16), (8, 8),
                (4, 4), (2, 2)],
    "call": [(1, 1), (2, 2), (3, 3), (4, 0), (8, 0), (16, 0), (32, 0), (8, 0)],
}  # fmt: skip


def lookahead(mode: str) -> int:
    """Frames by which the answer lags behind the newest frame."""
    return sum(right for _, right in PLANS[mode])


Film = tuple[Tensor, Tensor]
"""Scale, less 1, and shift of each channel."""


class Embedding(nn.Module):
    """The GE2E encoder (3 x LSTM 256, linear, ReLU, unit length), frozen, answering every frame."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(ft.BANDS, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        self.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        self.requires_grad_(False)

    def forward(self, mel: Tensor) -> Tensor:
        """(N, T, 40) -> (N, T, 256), the embedding of all that was heard so far."""
        out = fn.relu(self.linear(self.lstm(mel)[0]))
        return out / (out.norm(dim=-1, keepdim=True) + 1e-5)


class Features(nn.Module):
    """`features.FrameStream` for whole batches."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(ft.FILTERS))
        self.register_buffer("taper", torch.from_numpy(ft.TAPER))

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) -> mel (B, T, 40), sound (B, T, 41)."""
        cut = wave.unfold(-1, ft.WINDOW, ft.HOP)
        mel = torch.fft.rfft(cut * self.taper).abs() ** 2 @ self.filters.T
        power = (cut**2).mean(-1)
        total = fn.pad(power.double().cumsum(-1), (ft.LEVEL_FRAMES, 0))
        step = torch.arange(power.shape[-1], device=wave.device)
        spread = (step + 1).clamp(max=ft.LEVEL_FRAMES)
        recent = (total[:, ft.LEVEL_FRAMES :] - total[:, : -ft.LEVEL_FRAMES]) / spread
        level = 10 * torch.log10(recent.clamp(min=0) + ft.POWER_FLOOR)
        slope = ft.RELEASE_DB * step
        track = (torch.cummax(level + slope, -1)[0] - slope).clamp(min=ft.LEVEL_FLOOR_DB).float()
        mel = mel * 10 ** ((ft.LEVEL_TARGET_DB - track[..., None]) / 10)
        log = (torch.log(mel + ft.LOG_FLOOR) - ft.LOG_MEAN) / ft.LOG_SPREAD
        scaled = (track[..., None] - ft.TRACK_MEAN_DB) / ft.TRACK_SPREAD_DB
        return mel, torch.cat([log, scaled], -1)


def slots(embed: Embedding, mel: Tensor) -> Tensor:
    """(B, T, 40) -> (B, T, SLOTS, 256): the embeddings of the windows open at each frame."""
    batch, length, bands = mel.shape
    count = -(-length // BLOCK)
    span = BLOCK * SLOTS
    back = BLOCK * (SLOTS - 1)
    padded = fn.pad(mel, (0, 0, back, count * BLOCK + back - length + BLOCK))
    windows = padded[:, : back + count * BLOCK + back].unfold(1, span, BLOCK)
    many = windows.shape[1]  # windows start at -80, -40, 0, 40, ...
    out = embed(windows.permute(0, 1, 3, 2).reshape(batch * many, span, bands))
    out = out.view(batch, many, span, 256)
    parts = []
    for j in range(SLOTS):
        first = SLOTS - 1 - j
        rows = out[:, first : first + count, j * BLOCK : (j + 1) * BLOCK]
        parts.append(rows.reshape(batch, count * BLOCK, 256)[:, :length])
    return torch.stack(parts, 2)


def template(embed: Embedding, mel: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Enrollment (B, T, 40), (B, T, 41) -> template (B, SLOTS, 256), own mean cosine (B, SLOTS)."""
    got = slots(embed, mel)[:, BLOCK * SLOTS :]
    heard = (sound[:, BLOCK * SLOTS :, : ft.BANDS].mean(-1) > -0.6).float()[..., None, None]
    mean = (got * heard).sum(1)
    mean = mean / (mean.norm(dim=-1, keepdim=True) + 1e-6)
    near = (got * mean[:, None]).sum(-1) * heard[..., 0]
    return mean, near.sum(1) / heard[..., 0].sum(1).clamp(min=1)


class Block(nn.Module):
    """Three-tap dilated convolution, norm over channels, ReLU, added to its delayed input."""

    def __init__(self, dilation: int, right: int) -> None:
        super().__init__()
        self.span, self.right, self.dilation = 2 * dilation, right, dilation
        self.mix = nn.Conv1d(WIDTH, WIDTH, 3, dilation=dilation)
        self.norm = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, film: Film | None) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        long = fn.pad(x, (self.span - self.right, self.right))
        new = self.norm(self.mix(long).transpose(1, 2)).transpose(1, 2)
        if film is not None:
            scale, shift = film
            new = new * (1 + scale[..., None]) + shift[..., None]
        return x + self.drop(fn.relu(new))


class TargetVoice(nn.Module):
    """Four-class logits for every frame, given the enrolled voice."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.product = nn.ModuleList(nn.Linear(256, 32) for _ in range(SLOTS))
        self.plain = nn.ModuleList(nn.Linear(256, 12) for _ in range(SLOTS))
        inner = ft.BANDS + 1 + SLOTS * (32 + 12 + 2) + 2
        self.enter = nn.Linear(inner, WIDTH)
        self.entry_norm = nn.LayerNorm(WIDTH)
        self.voice = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(256, 24), nn.Tanh(), nn.Linear(24, 4 * WIDTH)
        )
        self.blocks = nn.ModuleList(Block(d, r) for d, r in PLANS[mode])
        self.memory = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.head = nn.Linear(2 * WIDTH, CLASSES)

    def entry(self, sound: Tensor, got: Tensor, phase: Tensor, tpl: Tensor, own: Tensor) -> Tensor:
        """Per-frame inputs -> (B, C, T). phase: (T,) frames since the last window start."""
        parts = [sound]
        for j in range(SLOTS):
            pair = got[:, :, j] * tpl[:, None, j]
            near = pair.sum(-1, keepdim=True)
            excess = (near - own[:, None, j : j + 1]) * 5
            parts += [self.product[j](pair * 16), self.plain[j](got[:, :, j] * 8), near, excess]
        turn = (phase / BLOCK)[None, :, None].expand(sound.shape[0], -1, 1)
        parts += [turn, turn * turn]
        return fn.relu(self.entry_norm(self.enter(torch.cat(parts, -1)))).transpose(1, 2)

    def films(self, tpl: Tensor) -> list[Film | None]:
        """What the enrolled voice does to each block: the first two."""
        scale, shift, scale_next, shift_next = self.voice(tpl[:, -1] * 8).split(WIDTH, -1)
        return [(scale, shift), (scale_next, shift_next)] + [None] * (len(self.blocks) - 2)

    def forward(self, sound: Tensor, got: Tensor, tpl: Tensor, own: Tensor) -> Tensor:
        """-> logits (B, T, 4), answer t for frame t."""
        phase = (torch.arange(sound.shape[1], device=sound.device) % BLOCK).float()
        x = self.entry(sound, got, phase, tpl, own)
        for block, film in zip(self.blocks, self.films(tpl), strict=True):
            x = block(x, film)
        x = x.transpose(1, 2)
        return self.head(torch.cat([x, self.memory(x)[0]], -1))
