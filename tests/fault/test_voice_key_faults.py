"""A key that fails closes the gate, at the start or while it runs."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homeveil.errors import ModelError
from homeveil.models.onnx_file import Graph, Port
from homeveil.perceive.hearing import load_voice_models
from homeveil.perceive.speaker import SpeakerNetwork
from homeveil.policy import ModelFile, Policy, SpeechKey
from homeveil.profile.template import Profile
from homeveil.voice_gate import VoiceGate
from speakers import SIZE, file_of, some_speaker, sound_model
from voices import ALONE, Script, agent, anybody, demo_sound, needs_models, run

RATE = 16_000
SPEECH = Policy(speech_key=SpeechKey.WEBRTCVAD)
SPEAKER = Policy(models={"speaker": ModelFile(Path("x"), "0" * 64)})


class Observes(Script):
    """Says that the agent speaks; what the keys observe breaks from frame 300 to 340."""

    def __init__(self, bad: float) -> None:
        super().__init__(RATE, lambda t: ALONE, ahead=125)
        self.speech = lambda t: bad if 300 <= t < 340 else 1.0
        self.likeness = lambda w: bad if w == 5 else 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("policy", [SPEECH, SPEAKER])
def test_no_number_closes_and_is_told(policy: Policy, bad: float) -> None:
    """The frames that it has to do with are mute, the report tells of a fault, and what
    comes later may open."""
    profile = Profile(None, voice=replace(anybody().voice, speaker=some_speaker()))
    gate = VoiceGate(profile, policy, listen=lambda rate: Observes(bad))
    out = run(gate, np.ones((1, RATE * 8), np.float32), RATE, 320)
    assert not out[0, round(3.01 * RATE) : round(3.4 * RATE)].any()
    assert out[0, RATE * 5 : RATE * 6].all()
    assert gate.tally.report().withheld["fault"] > 0.3


@pytest.mark.parametrize("policy", [SPEECH, SPEAKER])
def test_observations_that_stop_close(policy: Policy) -> None:
    """A key that says nothing more never leaves the gate as it was."""

    class Stops(Observes):
        def _observed(self, first: int, last: int) -> dict[str, np.ndarray]:
            return super()._observed(first, last) if last < 300 else {}

    profile = Profile(None, voice=replace(anybody().voice, speaker=some_speaker()))
    gate = VoiceGate(profile, policy, listen=lambda rate: Stops(1.0))
    out = run(gate, np.ones((1, RATE * 8), np.float32), RATE, 320)
    assert out[0, RATE : round(1.4 * RATE)].all()
    assert not out[0, round(3.5 * RATE) :].any()


@needs_models
@pytest.mark.parametrize("how", ["raises", "no number", "other shape"])
def test_a_speaker_model_that_fails_later_lets_nothing_out(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its failure on, every window and what it covers is mute."""
    policy = Policy(models={"speaker": file_of(sound_model(), tmp_path)})
    models = load_voice_models(policy)
    digest = policy.models["speaker"].sha256
    profile = Profile(
        None, voice=replace(agent().voice, speaker=some_speaker(digest, spread=(0.1, 0.2)))
    )

    def fails(self: SpeakerNetwork, window: np.ndarray) -> np.ndarray:
        if how == "raises":
            raise MemoryError
        size = (1, SIZE) if how == "no number" else (1, SIZE + 1)
        return np.full(size, np.nan, np.float32)

    monkeypatch.setattr(SpeakerNetwork, "_run", fails)
    samples, rate = demo_sound()
    gate = VoiceGate(profile, policy, models=models)
    assert not run(gate, samples, rate, 960).any()
    assert gate.tally.report().withheld["fault"] > 0


@needs_models
@pytest.mark.parametrize("purpose", ["speaker", "speech"])
def test_a_broken_file_is_an_error_at_the_start(purpose: str, tmp_path: Path) -> None:
    """Missing, of another hash or no model: no gate is made."""
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no model")
    right = hashlib.sha256(junk.read_bytes()).hexdigest()
    files = (ModelFile(tmp_path / "none", right), ModelFile(junk, "0" * 64), ModelFile(junk, right))
    for file in files:
        key = SpeechKey.SILERO if purpose == "speech" else SpeechKey.OFF
        policy = Policy(models={purpose: file}, speech_key=key)
        with pytest.raises(ModelError, match=purpose):
            load_voice_models(policy)


def test_a_model_of_a_fixed_length_is_taken_if_it_is_ours(tmp_path: Path) -> None:
    """(1, 24000) is a window; anything else was refused by name."""
    def takes(count: int) -> bytes:
        graph = Graph("speaker")
        mix = np.random.default_rng(1).normal(size=(count, 8)).astype(np.float32)
        graph.node("MatMul", ["x", graph.constant("mix", mix)], "y")
        return graph.encode([Port("x", "float32", (1, count))], [Port("y", "float32", (1, 8))], {})

    assert SpeakerNetwork(takes(24_000)).size == 8
    with pytest.raises(ModelError, match="does not take"):
        SpeakerNetwork(takes(16_000))
