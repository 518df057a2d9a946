"""A single-shot detector of desk items: centres, boxes, the desk's surface and people at stride 4."""

from __future__ import annotations

import torch
from items import KINDS
from torch import Tensor, nn
from torch.nn import functional as fn

STRIDE = 4
WIDTHS = (32, 32, 64, 96, 160)
NECK = 64


def unit(inside: int, outside: int, step: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, step, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()
    )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = unit(width, width), unit(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(self.one(x))


def pyramid(x: Tensor, down: nn.ModuleList, side: nn.ModuleList, join: nn.ModuleList) -> Tensor:
    """Down through all levels and up again to the first, each joined to the one above."""
    levels = []
    for step in down:
        x = step(x)
        levels.append(x)
    x = side[-1](levels[-1])
    for i in range(len(levels) - 2, -1, -1):
        x = fn.interpolate(x, scale_factor=2.0, mode="nearest") + side[i](levels[i])
        x = join[i](x)
    return x


class DeskItems(nn.Module):
    """Input (n, 3, h, w) RGB 0..1, sides multiples of 32. Output (n, kinds + 6, h/4, w/4):
    logits of a centre per kind, logarithms of the distances to the box's left, top, right and
    bottom in strides, logits of the desk's surface and of people."""

    def __init__(self) -> None:
        super().__init__()
        w = WIDTHS
        self.entry = unit(3, w[0], 2)
        self.down = nn.ModuleList(
            nn.Sequential(unit(a, b, 2), Residual(b)) for a, b in zip(w, w[1:], strict=False)
        )
        self.side = nn.ModuleList(nn.Conv2d(b, NECK, 1) for b in w[1:])
        self.join = nn.ModuleList(unit(NECK, NECK) for _ in w[1:-1])
        self.head = unit(NECK, 48)
        self.out = nn.Conv2d(48, len(KINDS) + 6, 1)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[: len(KINDS)] = -4.6

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(x * 4 - 2)
        x = pyramid(x, self.down, self.side, self.join)
        return self.out(self.head(x))
