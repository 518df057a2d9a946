"""The veil of sound: the one place where raw samples become veiled ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from homeveil import _kernels
from homeveil.audio import Samples, VeiledAudio
from homeveil.frames import _SEAL, Timestamp
from homeveil.policy import Muted

RAMP_SECONDS = 0.005
COMFORT_DB = -66.0
"""Level of comfort noise, dBFS: about that of a quiet room through a headset."""

_COMFORT_SECONDS = 7
_SEED = 20261124


class Mute:
    """Opens or closes samples of one rate, block by block, in place.

    What takes the place of withheld samples is made from their position alone.
    """

    def __init__(self, rate: int, channels: int, muted: Muted) -> None:
        self._ramp = max(1, round(rate * RAMP_SECONDS))
        self._noise: Samples | None = None
        if muted is Muted.COMFORT:
            generator = np.random.Generator(np.random.PCG64(_SEED))
            shape = (channels, rate * _COMFORT_SECONDS)
            noise = generator.standard_normal(shape) * 10 ** (COMFORT_DB / 20)
            self._noise = noise.astype(np.float32)

    def apply(
        self,
        samples: Samples,
        position: int,
        *,
        before: Sequence[bool],
        now: Sequence[bool],
        after: Sequence[bool],
    ) -> None:
        """Open or close ``samples`` (channels, n), which start at sample ``position``,
        counted from time 0.

        before, now, after: of each channel, whether it is open in the block before, in this
        one and in the next: ramps lie inside what is open.
        """
        count = samples.shape[1]
        fill = None
        if self._noise is not None:
            period = self._noise.shape[1]
            fill = np.take(self._noise, np.arange(position, position + count) % period, axis=1)
        for index, channel in enumerate(samples):
            _kernels.gate_block(
                channel,
                before=before[index],
                now=now[index],
                after=after[index],
                ramp=self._ramp,
                fill=None if fill is None else fill[index],
            )


def seal(samples: Samples, rate: int, time: Timestamp, open_share: float) -> VeiledAudio:
    """Samples that went through :class:`Mute`, whole, as veiled ones."""
    return VeiledAudio(samples, rate, time, open_share, _SEAL)
