"""The board's counts for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from homeveil.live.board import LATENCY_BOUNDS, Board, Counts, State

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """board: read anew at every call of ``text``."""

    def __init__(self, board: Board) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Board(board))

    def text(self) -> bytes:
        """In the text format."""
        return generate_latest(self._registry)


class _Board(Collector):
    def __init__(self, board: Board) -> None:
        self._board = board

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        counts = self._board.counts()
        yield _count("frames", "Frames that left, cards among them.", counts.frames)
        yield _count("fault_frames", "Frames withheld for a fault, and cards.", counts.fault_frames)
        yield _count("late_frames", "Frames given up for being late.", counts.late_frames)
        yield _count("restarts", "Restarts of the camera or of what clears.", counts.restarts)
        yield _latency(counts)
        yield _veiled_share(counts)
        state = GaugeMetricFamily("homeveil_state", "1 for what is so now.", labels=["state"])
        for one in State:
            state.add_metric([one.value], one is self._board.status.state)
        yield state
        yield GaugeMetricFamily(
            "homeveil_quiet_seconds", "Since the last frame left.", self._board.quiet_seconds()
        )
        queue = GaugeMetricFamily("homeveil_queue_depth", "What waits.", labels=["queue"])
        for name, depth in self._board.queue_depths().items():
            queue.add_metric([name], depth)
        yield queue
        yield from self._outputs()

    def _outputs(self) -> Iterator[Metric]:
        label = ["output"]
        octets = CounterMetricFamily("homeveil_output_bytes", "Bytes sent.", labels=label)
        dropped = CounterMetricFamily(
            "homeveil_output_dropped", "Frames or packets it was too slow for.", labels=label
        )
        going = GaugeMetricFamily("homeveil_output_going", "1 while it goes.", labels=label)
        for output in {one.name: one for one in self._board.outputs()}.values():
            octets.add_metric([output.name], output.bytes)
            dropped.add_metric([output.name], output.dropped)
            going.add_metric([output.name], output.going)
        yield from (octets, dropped, going)


def _count(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(f"homeveil_{name}", help_text, value)


def _latency(counts: Counts) -> Metric:
    bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
    return HistogramMetricFamily(
        "homeveil_latency_seconds",
        "From a frame's capture until it left.",
        list(zip(bounds, accumulate(counts.latency), strict=True)),
        counts.latency_seconds,
    )


def _veiled_share(counts: Counts) -> Metric:
    # Of the whole session and in hundredths, so that the figures of two moments do not say what
    # was in the picture between them.
    share = counts.veiled_share / counts.frames if counts.frames else 1.0
    return GaugeMetricFamily(
        "homeveil_veiled_share", "Mean veiled share of the picture, 0..1.", round(share, 2)
    )
