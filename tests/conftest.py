"""Set before anything else of a test is loaded."""

import os
import time
from pathlib import Path

import pytest

# Some tests load ONNX Runtime by themselves, which else writes files of its own (see
# homeveil.perceive._onnx) that this process would then share with nobody knows whom.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

ONCE = frozenset(
    {
        "test_batch_command", "test_batch_places", "test_batch_ray", "test_batch_stalls",
        "test_camera_command", "test_event_mqtt", "test_event_restarts", "test_event_webhook",
        "test_every_stage", "test_examples", "test_gstreamer", "test_isolation_attacks",
        "test_isolation_faults", "test_lips_in_files", "test_live_capture", "test_live_faults",
        "test_live_outputs", "test_models_conversion", "test_models_pull_faults", "test_page",
        "test_page_canary", "test_stretches", "test_web", "test_web_faults",
    }
)  # fmt: skip
"""Modules about servers, processes and files, which take long and whose outcome does not hang on
the kernels: CI runs them in one of its two passes (``-m 'not once'`` in the other)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "begin with the tests marked once when FILE is there"
    parser.addoption("--once-after", type=Path, metavar="FILE", help=about)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks them and puts them last, where they can wait for another pass to end."""
    for item in items:
        if item.path.stem in ONCE:
            item.add_marker("once")
    items.sort(key=lambda item: item.get_closest_marker("once") is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    awaited: Path | None = item.config.getoption("--once-after")
    if awaited and item.get_closest_marker("once"):
        while not awaited.exists():
            time.sleep(0.2)
