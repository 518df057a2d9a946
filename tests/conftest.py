"""Set before anything else of a test is loaded."""

import os
import time
from functools import partial
from pathlib import Path

import pytest

# Some tests load ONNX Runtime by themselves, which else writes files of its own (see
# homeveil.perceive._onnx) that this process would then share with nobody knows whom.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

CLOCK = frozenset(
    {
        "test_batch_stalls", "test_camera_command", "test_event_mqtt", "test_event_restarts",
        "test_event_webhook", "test_live_capture", "test_live_faults", "test_live_outputs",
        "test_page", "test_page_canary", "test_web", "test_web_faults",
    }
)  # fmt: skip
"""Modules whose outcome hangs on when things happen: CI runs them while nothing else runs."""

ONCE = CLOCK | {
    "test_batch_command", "test_batch_killed", "test_batch_places", "test_batch_ray",
    "test_events_command", "test_every_stage", "test_examples", "test_gstreamer",
    "test_isolation_attacks", "test_isolation_faults", "test_lips_in_files", "test_stretches",
}  # fmt: skip
"""Modules about servers, processes and files, which take long and whose outcome does not hang on
the kernels: CI runs them in a pass of their own."""

IN_TURN = (
    {"test_stretches"},
    {"test_batch_command"},
    {"test_batch_killed"},
    {"test_lips_in_files", "test_batch_ray"},
    {"test_gstreamer", "test_batch_places"},
)
"""Modules that take minutes: CI runs one of these groups, another one for another commit; all of
them are run where nothing is said of turns."""

FILES = frozenset({"test_audit", "test_command_line", "test_sound_command"})
"""Modules of PLAIN that clear one file after another: CI runs them after the pass under the scalar
kernels, while the others still run."""

PLAIN = frozenset(
    {
        "test_audit", "test_batch", "test_batch_processes", "test_batch_scratch",
        "test_batch_work", "test_command_line", "test_desk_events",
        "test_desk_items_file", "test_desk_supplied", "test_desk_watcher",
        "test_enrollment", "test_event_places", "test_event_smuggling",
        "test_event_spool", "test_gstreamer_buffers", "test_installation",
        "test_isolation_messages", "test_isolation_support", "test_ledger",
        "test_ledger_faults", "test_lips", "test_lips_laws", "test_live_board",
        "test_live_device", "test_live_feed", "test_live_session", "test_media",
        "test_media_clock", "test_media_faults", "test_media_property",
        "test_media_reader", "test_media_writer", "test_models_contract",
        "test_models_conversion", "test_models_dlib_fuzz", "test_models_manifest",
        "test_models_pull_faults", "test_models_store", "test_models_torch_file",
        "test_people_masks", "test_perception_faults", "test_policy",
        "test_profile_desk", "test_profile_faults", "test_profile_fuzz",
        "test_profile_store", "test_profile_template", "test_side_files",
        "test_sound_command", "test_sound_media", "test_staging", "test_stretch_joins",
        "test_stretching", "test_sync", "test_target_voice_files", "test_timeline",
        "test_voice_enrollment", "test_voice_faults", "test_voice_gate",
        "test_voice_key_faults", "test_voice_keys",
    }
)  # fmt: skip
"""Likewise, but short: CI leaves them out of the pass under the scalar kernels. They use kernels
at most as others do that are in it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "begin with the tests marked clock when FILE is there"
    parser.addoption("--clock-after", type=Path, metavar="FILE", help=about)
    about = "of the groups of long modules run one only, chosen by NUMBER"
    parser.addoption("--in-turn", type=partial(int, base=0), metavar="NUMBER", help=about)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks them, and puts those that hang on the clock last, where they can wait for others."""
    number: int | None = config.getoption("--in-turn")
    if number is not None:
        group = IN_TURN[number % len(IN_TURN)]
        others = frozenset().union(*IN_TURN) - group
        left = [item for item in items if item.path.stem in others]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item.path.stem not in others]
    for item in items:
        if item.path.stem in ONCE:
            item.add_marker("once")
        if item.path.stem in PLAIN:
            item.add_marker("plain")
        if item.path.stem in FILES:
            item.add_marker("files")
        if item.path.stem in CLOCK:
            item.add_marker("clock")
    items.sort(key=lambda item: item.get_closest_marker("clock") is not None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    awaited: Path | None = item.config.getoption("--clock-after")
    if awaited and item.get_closest_marker("clock"):
        while not awaited.exists():
            time.sleep(0.2)
