"""The trained target-voice networks keep the contract of their card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

FOLDER = Path(__file__).parents[2] / "models" / "target_voice"
FRAMES, BLOCK, SLOTS = 80, 40, 3


def logits(mode: str, chunk: int) -> np.ndarray:
    """(FRAMES, 4) for the same random sound, pushed in chunks of ``chunk`` frames."""
    model = onnxruntime.InferenceSession(
        str(FOLDER / f"target_voice_{mode}.onnx"), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(7)
    sound = rng.normal(0, 1, (1, FRAMES, 41)).astype(np.float32)
    slots = rng.normal(0, 0.06, (1, FRAMES, SLOTS, 256)).astype(np.float32)
    shapes = {item.name: item.shape for item in model.get_inputs()}
    state = [np.zeros(shapes[name], np.float32) for name in ("past", "memory")]
    out = []
    for at in range(0, FRAMES, chunk):
        part = slice(at, at + chunk)
        answer, *state = model.run(
            ["logits", "past_next", "memory_next"],
            {
                "sound": sound[:, part],
                "slots": slots[:, part],
                "phase": (np.arange(FRAMES)[part] % BLOCK).astype(np.float32),
                "template": np.full((1, SLOTS, 256), 1 / 16, np.float32),
                "own": np.full((1, SLOTS), 0.8, np.float32),
                "past": state[0],
                "memory": state[1],
            },
        )
        out.append(answer[0])
    return np.concatenate(out)


@pytest.mark.parametrize("mode", ["monitor", "call"])
def test_answers_do_not_depend_on_how_sound_is_cut(mode: str) -> None:
    whole = logits(mode, FRAMES)
    assert whole.shape == (FRAMES, 4)
    assert np.isfinite(whole).all()
    for chunk in (1, 7, 40):
        np.testing.assert_allclose(logits(mode, chunk), whole, atol=1e-3)
