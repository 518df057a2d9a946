"""The keys that a policy adds to the gate: what each closes, from what it observes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from homeveil._kernels import ClosedBy, Verdict
from homeveil.clear.keys import FIRST_OPEN, KeyRule, Keys, key_rule_of
from homeveil.errors import EnrollmentError, ModelError, PerceptionError, ProfileError, UsageError
from homeveil.media.sound_reader import SoundReader
from homeveil.models.onnx_file import Graph, Port
from homeveil.models.store import ModelStore, State
from homeveil.perceive.hearing import FRAMES_AHEAD, Heard, load_voice_models
from homeveil.perceive.kaldi_features import kaldi_bands
from homeveil.perceive.speaker import (
    NOT_SPOKEN,
    SpeakerNetwork,
    SpeakerStream,
    speaker_template,
    windows_of,
)
from homeveil.perceive.speech import SileroNetwork, SpeechDetector, SpeechStream
from homeveil.policy import ModelFile, Policy, Sound, SpeechKey
from homeveil.profile.template import Profile
from homeveil.profile.voice import ACCEPT_FLOOR, ACCEPT_MARGIN
from homeveil.voice_enrollment import VoiceEnrollment
from homeveil.voice_gate import VoiceGate
from speakers import SIZE, bands_model, file_of, some_speaker, sound_model
from voices import (
    ALONE,
    CHILD_ALONE,
    EXAMPLES,
    Script,
    agent,
    anybody,
    demo_sound,
    needs_models,
    run,
    span,
)

MONITOR, CALL = FRAMES_AHEAD[Sound.MONITOR], FRAMES_AHEAD[Sound.CALL]
NONE = np.zeros(0, np.float32)


def asked(rule: KeyRule, count: int, learnt: Verdict = Verdict.OPEN, **heard: np.ndarray) -> list:
    """What the keys say of each of ``count`` frames, all of ``heard`` known at once."""
    keys = Keys(rule)
    parts = {name: np.asarray(value, np.float32) for name, value in heard.items()}
    level = parts.pop("level_db", np.zeros(count, np.float32))
    logits = parts.pop("logits", np.zeros((0, 4), np.float32))
    keys.hear(Heard(level, logits, **parts))
    said = []
    for _ in range(count):
        said.append(keys.closed_by())
        keys.learn(learnt)
    return said


def closed(said: list) -> np.ndarray:
    """(n,) frames that a key closed; none may be a fault."""
    assert ClosedBy.FAULT not in said
    return np.array([one is ClosedBy.KEY for one in said])


@pytest.mark.parametrize(("ahead", "before"), [(MONITOR, 20), (CALL, 0)])
def test_without_speech_it_is_closed(ahead: int, before: int) -> None:
    """Speech keeps 200 ms after it open, and before it where the sound waits anyway."""
    speech = np.zeros(300)
    speech[100:150] = 0.9
    shut = closed(asked(KeyRule(ahead, speech=True), 250, speech=speech))
    assert np.array_equal(np.flatnonzero(~shut), np.arange(100 - before, 170))
    assert closed(asked(KeyRule(ahead, speech=True), 100)).all()


def test_a_window_opens_what_it_covers() -> None:
    """With the wait of monitor mode, a frame is closed unless one of the windows that cover
    it, and are there by then, is like the agent."""
    likeness = np.full(12, 0.3)
    likeness[5] = 0.8
    shut = closed(asked(KeyRule(MONITOR, accept=0.5), 400, likeness=likeness))
    # Window 5 covers frames 200 to 348, and has ended when frame 223 is judged.
    assert np.array_equal(np.flatnonzero(~shut), np.arange(223, 349))


def test_a_call_knows_only_the_past() -> None:
    """There a window counts once it has ended, and until the next one ends."""
    likeness = np.full(12, 0.3)
    likeness[5] = 0.8
    shut = closed(asked(KeyRule(CALL, accept=0.5), 420, likeness=likeness))
    assert np.array_equal(np.flatnonzero(~shut), np.arange(348 - CALL, 348 + 41))


def test_windows_that_do_not_count_or_are_not_there_close() -> None:
    """No window at all, or none with enough speech, is no agent."""
    assert closed(asked(KeyRule(MONITOR, accept=0.5), 300)).all()
    silent = np.full(12, NOT_SPOKEN)
    assert closed(asked(KeyRule(MONITOR, accept=-0.9), 300, likeness=silent)).all()


def test_what_is_far_softer_than_the_agent_is_closed() -> None:
    """The level has no say until the agent was heard for 2 s; then what stays below it by
    more than is allowed is closed, up to 250 ms beside what is loud."""
    level = np.full(900, -30.0)
    level[400:600] = -45.0
    level[: FIRST_OPEN // 2] = -60.0
    shut = closed(asked(KeyRule(MONITOR, near_db=12), 800, level_db=level))
    assert np.array_equal(np.flatnonzero(shut), np.arange(425, 575))
    assert not closed(asked(KeyRule(MONITOR, near_db=20), 800, level_db=level)).any()
    unlearnt = asked(KeyRule(MONITOR, near_db=12), 800, Verdict.CLOSED, level_db=level)
    assert not closed(unlearnt).any()


def test_the_agents_level_follows_slowly() -> None:
    """By 2 dB for a second of open frames, so that a soft voice that got through once does
    not become the measure."""
    level = np.concatenate([np.full(400, -30.0), np.full(700, -44.0)])
    shut = closed(asked(KeyRule(MONITOR, near_db=12), 1000, level_db=level))
    assert shut[430:500].all()
    assert not shut[600:].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["speech", "likeness", "level_db"])
def test_what_is_no_number_is_a_fault(key: str, bad: float) -> None:
    """And closes all frames that it has to do with."""
    rule = KeyRule(MONITOR, speech=key == "speech", accept=0.5 if key == "likeness" else None,
                   near_db=12.0 if key == "level_db" else 0.0)  # fmt: skip
    values = np.full(400, 0.9)
    values[5] = bad
    said = asked(rule, 250, **{key: values})
    where = {"speech": (0, 25), "likeness": (223, 249), "level_db": (0, 30)}[key]
    assert set(said[where[0] : where[1]]) == {ClosedBy.FAULT}
    assert ClosedBy.NOTHING in said


def test_the_strictest_key_decides() -> None:
    """A frame is closed if any key closes it, and a fault in one is a fault."""
    speech, likeness, level = np.full(400, 0.9), np.full(12, 0.8), np.full(400, -30.0)
    rule = KeyRule(MONITOR, speech=True, accept=0.5, near_db=12.0)
    heard = {"speech": speech, "likeness": likeness, "level_db": level}
    assert not closed(asked(rule, 250, **heard))[23:].any()
    for name, worse in (("speech", 0.0), ("likeness", 0.1)):
        assert closed(asked(rule, 250, **{**heard, name: np.full(400, worse)})).all()
        broken = asked(rule, 250, **{**heard, name: np.full(400, np.nan)})
        assert set(broken[30:]) == {ClosedBy.FAULT}
    softer = np.where(np.arange(400) < 280, -30.0, -50.0)
    said = asked(rule, 380, **{**heard, "speech": speech, "level_db": softer})
    assert closed(said)[320:].all()


@pytest.mark.parametrize("step", [1, 7, 40])
def test_keys_do_not_hang_on_how_much_comes_at_once(step: int) -> None:
    """What comes early is not used before its time."""
    rng = np.random.default_rng(step)
    rule = KeyRule(MONITOR, own=0.8, speech=True, accept=0.5, near_db=6.0)
    count = 600
    alike, logits = rng.uniform(0.4, 0.9, count), rng.normal(0, 1, (count, 4))
    speech, level = rng.random(count) ** 4, rng.normal(-30, 8, count)
    likeness = rng.random(count // 40)
    whole = asked(
        rule, count - MONITOR, speech=speech, likeness=likeness, level_db=level, alike=alike,
        logits=logits[: count - MONITOR],
    )  # fmt: skip
    keys, said, windows = Keys(rule), [], 0
    for at in range(0, count, step):
        ended = sum(40 * w + 148 < at + step for w in range(len(likeness)))
        answered = slice(max(0, at - MONITOR), max(0, at + step - MONITOR))
        keys.hear(Heard(level[at : at + step], logits[answered], alike[at : at + step],
                        speech[at : at + step], likeness[windows:ended]))  # fmt: skip
        windows = ended
        while len(said) + MONITOR < min(at + step, count):
            said.append(keys.closed_by())
            keys.learn(Verdict.OPEN)
    assert said == whole


def test_a_policy_turns_keys_on() -> None:
    """Each by itself; without one there is the likeness alone, and in a call nothing to ask."""
    voice = replace(anybody().voice, speaker=some_speaker("ab" * 32))
    own = {"speaker": ModelFile(Path("x"), "ab" * 32)}
    alone = KeyRule(MONITOR, own=float(voice.own[-1]))
    assert key_rule_of(Policy(), voice) == alone
    assert key_rule_of(Policy(sound=Sound.CALL), voice) is None
    assert key_rule_of(Policy(near_db=12), voice) == replace(alone, near_db=12)
    call = Policy(sound=Sound.CALL, speech_key=SpeechKey.WEBRTCVAD)
    assert key_rule_of(call, voice) == KeyRule(CALL, speech=True)
    calibrated = voice.speaker.accept
    assert key_rule_of(Policy(models=own), voice) == replace(alone, accept=calibrated)


def alike_frames(
    values: np.ndarray, *, spread_db: float = 60.0, claims: np.ndarray | None = None
) -> np.ndarray:
    """Which frames the likeness alone closes. claims: frames that seem the agent's, all if None."""
    count = len(values)
    logits = np.tile(np.array([-6, 6, -6, -6], np.float32), (count, 1))
    if claims is not None:
        logits[~claims] = (6, -6, -6, -6)
    level = np.where(np.arange(count) % 5 < 2, -20.0 - spread_db, -20.0)
    rule = KeyRule(MONITOR, own=0.83)
    said = asked(rule, count - MONITOR, alike=values, logits=logits, level_db=level)
    return closed(said)


def test_a_voice_unlike_the_agents_is_closed_though_the_network_takes_it_for_theirs() -> None:
    """What is as like as the enrolled recordings stays open; a stranger close by does not."""
    assert not alike_frames(np.full(900, 0.8)).any()
    assert alike_frames(np.full(900, 0.7)).all()


def test_noise_lowers_what_is_asked() -> None:
    """The agent sounds less like themselves in noise: there as much is not asked."""
    assert alike_frames(np.full(900, 0.7), spread_db=40.0).all()
    assert not alike_frames(np.full(900, 0.7), spread_db=15.0).any()
    assert alike_frames(np.full(900, 0.5), spread_db=15.0).all()


def test_a_stranger_after_the_agent_is_closed_soon_and_the_agent_open_again() -> None:
    """Half a second of frames that seem the agent's says whose they are; a pause forgets."""
    values = np.concatenate([np.full(600, 0.82), np.full(600, 0.66), np.full(900, 0.82)])
    shut = alike_frames(values)
    assert not shut[:480].any()
    assert shut[650:1050].all()
    assert not shut[1260:].any()


@pytest.mark.parametrize(("pause", "forgets"), [(150, False), (250, True)])
def test_who_speaks_after_a_pause_has_none_of_the_agents_likeness(
    pause: int, forgets: bool
) -> None:
    """A breath is no pause; whoever begins after one is judged by themselves from the first frame
    on."""
    values = np.concatenate([np.full(600, 0.82), np.full(pause, 0.5), np.full(600, 0.7)])
    claims = np.concatenate([np.full(600, True), np.full(pause, False), np.full(600, True)])
    shut = alike_frames(values, claims=claims)
    begins = 600 + pause
    assert not shut[:480].any()
    assert shut[begins + 50 : begins + 400].all()
    assert shut[begins : begins + 10].all() == forgets


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_likeness_that_is_no_number_is_a_fault(value: float) -> None:
    """For every frame whose window holds it."""
    values = np.full(900, 0.85)
    values[400] = value
    rule = KeyRule(MONITOR, own=0.83)
    said = asked(rule, 700, alike=values, level_db=np.full(900, -20.0))
    assert [t for t, one in enumerate(said) if one is ClosedBy.FAULT] == list(range(281, 401))


def test_a_policy_only_raises_what_was_calibrated() -> None:
    """A lower likeness than the enrollment's own spread gives is not taken."""
    voice = replace(anybody().voice, speaker=some_speaker("ab" * 32))
    own = {"speaker": ModelFile(Path("x"), "AB" * 32)}
    for wish in (0.0, 0.3, 0.9):
        rule = key_rule_of(Policy(models=own, speaker_accept=wish), voice)
        assert rule.accept == max(wish, voice.speaker.accept)


def test_a_voice_enrolled_otherwise_is_refused() -> None:
    """Without the policy's speaker model, or with another: enroll again."""
    policy = Policy(models={"speaker": ModelFile(Path("x"), "ab" * 32)})
    for speaker in (None, some_speaker("cd" * 32)):
        profile = Profile(None, voice=replace(anybody().voice, speaker=speaker))
        with pytest.raises(ProfileError, match="enroll the voice again"):
            VoiceGate(profile, policy, listen=lambda rate: None)


def vectors(*cosines: float) -> list[tuple[int, np.ndarray]]:
    """Windows a second and more apart, whose vectors lean away from one axis."""
    rng = np.random.default_rng(len(cosines))
    found = []
    for number, cosine in enumerate(cosines):
        away = rng.normal(size=64)
        away[0] = 0
        away *= np.sqrt(1 - cosine**2) / np.linalg.norm(away)
        away[0] = cosine
        found.append((10 * number, away.astype(np.float32)))
    return found


def test_the_threshold_is_the_agents_own_spread() -> None:
    """From the 5 % quantile of what each window is like the rest, less the margin, and from
    the floor where that is lower."""
    steady = speaker_template([vectors(*[0.95] * 40)], "0" * 64)
    unsteady = speaker_template([vectors(*[0.7] * 40)], "0" * 64)
    assert steady.accept > unsteady.accept > ACCEPT_FLOOR
    assert steady.accept == pytest.approx(float(steady.spread[1]) - ACCEPT_MARGIN)
    assert some_speaker(spread=(-0.5, 0.9)).accept == ACCEPT_FLOOR


def test_own_windows_are_compared_with_those_of_other_recordings() -> None:
    """Two days that differ give a lower threshold than either day by itself."""
    first = vectors(*[0.95] * 20)
    turned = [(w, np.roll(v, 1)) for w, v in vectors(*[0.95] * 20)]
    second = [(w, (0.6 * a + 0.8 * b) / np.linalg.norm(0.6 * a + 0.8 * b))
              for (w, a), (_, b) in zip(first, turned, strict=True)]  # fmt: skip
    alone = speaker_template([first], "0" * 64)
    both = speaker_template([first, second], "0" * 64)
    assert both.spread.max() < alone.spread.min()


def test_neighbouring_windows_do_not_vouch_for_each_other() -> None:
    """In one recording, windows that share sound are left out of the comparison."""
    base = vectors(*[0.5] * 12)
    # Each vector four times in a row, as windows that overlap would give.
    close = [(10 * w + k, v) for w, (_, v) in enumerate(base) for k in range(4)]
    spread = speaker_template([close], "0" * 64).spread
    plain = speaker_template([base], "0" * 64).spread
    assert spread == pytest.approx(plain, abs=0.02)


def test_too_little_or_an_unknown_voice_is_refused() -> None:
    """A template that would not know the agent again is not made."""
    with pytest.raises(EnrollmentError, match="at least"):
        speaker_template([vectors(*[0.9] * 9)], "0" * 64)
    with pytest.raises(EnrollmentError, match="does not know this voice"):
        speaker_template([vectors(*[0.05] * 20)], "0" * 64)
    broken = [(w, v * np.nan) for w, v in vectors(*[0.9] * 20)]
    with pytest.raises(ModelError, match="no numbers"):
        speaker_template([broken], "0" * 64)


@pytest.mark.parametrize("model", [bands_model, sound_model])
def test_both_kinds_of_input_are_told_by_the_file(model: Callable[[], bytes]) -> None:
    """Sound or mel bands: either way a vector of unit length that tells sounds apart."""
    network = SpeakerNetwork(model())
    rng = np.random.default_rng(3)
    white = rng.normal(0, 0.1, 24_000).astype(np.float32)
    wave = np.sin(np.arange(24_000) / 500)
    dull = (np.convolve(white, np.ones(40), "same") * wave).astype(np.float32)
    first, second, third = (network.embed(one) for one in (white, rng.permutation(white), dull))
    assert network.size == SIZE
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert first @ second > first @ third


def odd(source: Port, results: list[Port], operator: str = "Identity", **told: int) -> bytes:
    """A network of one operator."""
    graph = Graph("odd")
    graph.node(operator, [source.name], results[0].name, **told)
    return graph.encode([source], results, {})


WRONG = {
    "no file of this kind": b"no model",
    "whole numbers": odd(Port("x", "int64", (1, "N")), [Port("y", "int64", (1, "N"))]),
    "forty bands": odd(Port("x", "float32", (1, "T", 40)), [Port("y", "float32", (1, "T", 40))]),
    "one dimension": odd(Port("x", "float32", ("N",)), [Port("y", "float32", ("N",))]),
    "no vector": odd(Port("x", "float32", (1, "T", 80)), [Port("y", "float32", (1, "T", 80))]),
    "as many numbers as samples": odd(
        Port("x", "float32", (1, "N")), [Port("y", "float32", (1, "N"))]
    ),
    "another length": odd(Port("x", "float32", (1, 16_000)), [Port("y", "float32", (1, 16_000))]),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_is_no_speaker_model_is_refused(what: str) -> None:
    """At the start, with what was expected."""
    with pytest.raises(ModelError, match="model speaker"):
        SpeakerNetwork(WRONG[what])


def test_a_model_without_numbers_is_refused() -> None:
    """One that answers NaN is told at the start, not by a gate that never opens."""
    graph = Graph("broken")
    graph.node("ReduceMean", ["x"], "mean", axes=(1,), keepdims=1)
    graph.node("Mul", ["mean", graph.constant("n", np.full((1, 8), np.nan, np.float32))], "y")
    model = graph.encode([Port("x", "float32", (1, "N"))], [Port("y", "float32", (1, 8))], {})
    with pytest.raises(ModelError, match="no numbers"):
        SpeakerNetwork(model)


def test_a_model_that_hears_no_difference_is_refused() -> None:
    """By one that gives the same for all sounds everybody would be the agent."""
    graph = Graph("deaf")
    graph.node("ReduceMean", ["x"], "mean", axes=(1,), keepdims=1)
    graph.node("Mul", ["mean", graph.constant("none", np.zeros((1, 8), np.float32))], "nothing")
    graph.node("Add", ["nothing", graph.constant("n", np.ones((1, 8), np.float32))], "y")
    model = graph.encode([Port("x", "float32", (1, "N"))], [Port("y", "float32", (1, 8))], {})
    with pytest.raises(ModelError, match="the same"):
        SpeakerNetwork(model)


def test_speaker_windows_do_not_depend_on_blocks() -> None:
    """One window each 0.4 s, and none that is mostly silence; the same for any blocks."""
    network = SpeakerNetwork(sound_model())
    rng = np.random.default_rng(5)
    sound = rng.normal(0, 0.1, 16_000 * 6).astype(np.float32)
    spoken = np.arange(600) < 300
    template = network.embed(sound[:24_000])
    whole = SpeakerStream(network, template).push(sound, spoken)
    assert len(whole) == (600 - 150) // 40 + 1
    assert (whole[:6] > 0.9).all()
    assert (whole[7:] == NOT_SPOKEN).all()
    for block in (1, 13):
        stream = SpeakerStream(network, template)
        parts = [
            stream.push(sound[at * 160 : (at + block) * 160], spoken[at : at + block])
            for at in range(0, 600, block)
        ]
        assert np.array_equal(np.concatenate(parts), whole)
    with pytest.raises(ModelError, match="the profile holds 3"):
        SpeakerStream(network, np.ones(3, np.float32))


def test_bands_are_those_of_kaldi() -> None:
    """By the definition, one frame at a time: pre-emphasis, Hamming window, a transform
    written out, triangles on the mel scale."""
    rng = np.random.default_rng(6)
    sound = rng.normal(0, 0.1, 1200).astype(np.float32)
    found = kaldi_bands(sound)
    assert found.shape == (6, 80)
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(8000), 82)
    rows = []
    for start in range(0, 801, 160):
        frame = sound[start : start + 400].astype(np.float64) * 32768
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        frame *= np.hamming(400)
        turns = np.exp(-2j * np.pi * np.outer(np.arange(256), np.arange(400)) / 512)
        power = np.abs(turns @ frame) ** 2
        where = mel(np.arange(256) * 16_000 / 512)
        rows.append([
            np.log(np.interp(where, edges[k : k + 3], [0, 1, 0], left=0, right=0) @ power)
            for k in range(80)
        ])  # fmt: skip
    want = np.array(rows) - np.mean(rows, axis=0)
    assert np.abs(found - want).max() < 1e-3
    assert np.abs(kaldi_bands(sound * 0.1) - found).max() < 1e-3


def test_speech_streams_as_one_call_would() -> None:
    """webrtcvad hears the same however the sound was cut."""
    sound = demo_sound()[0][0][:48_000]
    stream = SpeechStream()
    parts = [stream.push(sound[at : at + 333]) for at in range(0, len(sound), 333)]
    whole = SpeechDetector().frames(sound, len(sound) // 160)
    assert whole.any()
    assert np.array_equal(np.concatenate(parts) > 0.5, whole)


def test_another_network_is_no_silero(tmp_path: Path) -> None:
    """A file of the user's own as `[models.speech]` must be of that kind."""
    with pytest.raises(ModelError, match="model speech"):
        SileroNetwork(bands_model())


def test_a_state_that_is_no_number_is_not_gone_on_with() -> None:
    """All later chunks would be closed for one that failed."""

    class Broken:
        def run(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.array([[0.9]], np.float32), inputs["state"] * np.nan]

    network = SileroNetwork.__new__(SileroNetwork)
    network._network = Broken()  # type: ignore[assignment]
    with pytest.raises(PerceptionError, match="no numbers"):
        network.probability(np.zeros(576, np.float32), network.start())


needs_silero = pytest.mark.skipif(
    any(entry.state is not State.READY for entry in ModelStore().optional()),
    reason="model is not pulled; run `homeveil models pull speech`",
)


@needs_silero
def test_silero_hears_speech_and_streams() -> None:
    """Speech is speech, noise is none, and blocks change nothing."""
    network = SileroNetwork(ModelStore().locate("speech").read())
    with SoundReader(EXAMPLES / "enroll_voice.wav") as reader:
        blocks = list(reader)
    sound = np.concatenate([block.samples for block in blocks], axis=1)[0]
    sound = sound[:: blocks[0].rate // 16_000][: 16_000 * 6]
    whole = SpeechStream(network).push(sound)
    assert (whole > 0.5).mean() > 0.4
    for block in (160, 333):
        stream = SpeechStream(network)
        parts = [stream.push(sound[at : at + block]) for at in range(0, len(sound), block)]
        assert np.array_equal(np.concatenate(parts), whole)
    noise = np.random.default_rng(1).normal(0, 0.05, 16_000 * 4).astype(np.float32)
    assert (SpeechStream(network).push(noise) > 0.5).mean() < 0.05


@pytest.fixture(scope="module", params=[bands_model, sound_model])
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Profile, ModelFile]:
    """The example's agent enrolled with a model of the user's own, and that model."""
    file = file_of(request.param(), tmp_path_factory.mktemp("own"))
    enrollment = VoiceEnrollment.with_models_of(Policy(models={"speaker": file}))
    with SoundReader(EXAMPLES / "enroll_voice.wav") as reader:
        assert enrollment.take(reader, "enroll_voice.wav") is None
    return Profile(None, voice=enrollment.finish()), file


@needs_models
@pytest.mark.parametrize("sound", [Sound.MONITOR, Sound.CALL])
def test_with_keys_the_gate_opens_only_where_it_did(
    sound: Sound, own: tuple[Profile, ModelFile]
) -> None:
    """Enrolled and run with a model of the user's own and every other key: nothing opens that
    did not without them, the child stays mute, and the agent is still heard."""
    samples, rate = demo_sound()
    profile, file = own
    policy = Policy(
        sound=sound, models={"speaker": file}, speech_key=SpeechKey.WEBRTCVAD, near_db=12
    )
    assert profile.voice.speaker.model_sha256 == file.sha256
    out = run(VoiceGate(profile, policy), samples, rate)
    without = run(VoiceGate(agent(), Policy(sound=sound)), samples, rate)
    assert not out[(without == 0) & (samples != 0)].any()
    assert not span(out, rate, CHILD_ALONE).any()
    if sound is Sound.MONITOR:
        assert out.any()
    for block in (160, samples.shape[1]):
        assert np.array_equal(run(VoiceGate(profile, policy), samples, rate, block), out)


@needs_models
def test_models_of_other_keys_are_refused(own: tuple[Profile, ModelFile]) -> None:
    """A gate is not run with models that do not observe what its policy goes by."""
    models = load_voice_models(Policy())
    with pytest.raises(UsageError, match="other keys"):
        VoiceGate(agent(), Policy(speech_key=SpeechKey.WEBRTCVAD), models=models)
    profile, file = own
    with pytest.raises(UsageError, match="other keys"):
        VoiceGate(profile, Policy(models={"speaker": file}), models=models)


def test_silence_has_no_windows() -> None:
    """A recording without speech gives nothing to make a template of."""
    network = SpeakerNetwork(sound_model())
    assert windows_of(np.zeros(48_000, np.float32), network) == []


def test_alone_is_what_a_script_says() -> None:
    """A listener that observes nothing for a key leaves the gate closed."""
    sound = np.ones((1, 16_000 * 4), np.float32)
    for policy in (Policy(), Policy(speech_key=SpeechKey.WEBRTCVAD)):
        gate = VoiceGate(anybody(), policy, listen=lambda rate: Script(rate, lambda t: ALONE))
        assert run(gate, sound, 16_000).any() == (policy.speech_key is SpeechKey.OFF)
