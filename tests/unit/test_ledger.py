"""The ledger: what it holds, what it finds, and what never gets into it."""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips import make
from homeveil.cli import main
from homeveil.errors import InputError, LedgerError
from homeveil.frames import Timestamp
from homeveil.ledger.entries import CHAIN, FIRST, KINDS, canonical, line_sha256
from homeveil.ledger.keys import installation_key, key_path, public_hex
from homeveil.ledger.verify import Verification, verify
from homeveil.ledger.writer import Ledger
from ledgers import HEAD, KEY, veiled, written

PUBLIC = public_hex(KEY.public_key())


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A ledger of seven stretches, and the file that it tells of."""
    folder = tmp_path_factory.mktemp("ledger")
    times = [n * 500 for n in range(130)]
    output = make(folder / "out.mp4", times=times)
    return written(folder / "l.jsonl", 65, 0.5, output), output


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def check(path: Path, **options: object) -> Verification:
    return verify(path, key=PUBLIC, **options)  # type: ignore[arg-type]


def test_a_good_ledger_verifies(good: tuple[Path, Path]) -> None:
    ledger, output = good
    result = check(ledger, against=output)
    assert result == Verification((), 10, 64.5, "done", "given")
    assert verify(ledger).signer == "unknown"


def test_whoever_has_no_state_folder_can_check_a_ledger(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it lies in a folder that the account may not look into, as with `sudo -u`."""
    monkeypatch.setenv("XDG_STATE_HOME", "/" + 300 * "x")  # longer than any name
    assert verify(good[0]).signer == "unknown"
    assert check(good[0]).signer == "given"

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", nobody)
    assert verify(good[0]).signer == "unknown"


def test_what_it_says(good: tuple[Path, Path]) -> None:
    """Frames, stretches and faults, in the pinned keys and no others."""
    entries = [json.loads(line) for line in good[0].read_text().splitlines()]
    kinds = [entry["kind"] for entry in entries]
    assert kinds == ["start", *["segment"] * 7, "file", "end"]
    for entry in entries:
        assert set(entry) == CHAIN | KINDS[entry["kind"]]
    stretches = entries[1:8]
    assert [entry["frames"] for entry in stretches] == [20] * 6 + [10]
    assert stretches[0]["fault_spans_ms"] == [[1000, 1500]] or stretches[0]["fault_spans_ms"]
    assert stretches[0]["withheld_permille"] == 50
    assert [entry["withheld_permille"] for entry in stretches[1:]] == [0] * 6
    assert entries[-1]["frames"] == entries[-1]["frames_in"] == 130
    names = " ".join(key for keys in KINDS.values() for key in keys)
    for word in ("person", "people", "face", "child", "bystander", "count", "track"):
        assert word not in names


def test_equal_content_has_equal_digests_and_other_content_others(tmp_path: Path) -> None:
    def digest(name: str, seed: int, seconds: float = 0.0) -> str:
        with Ledger(tmp_path / name, HEAD, key=KEY) as ledger:
            ledger.frame(veiled(seconds, seed=seed))
            ledger.fail(ValueError())
        return str(json.loads((tmp_path / name).read_text().splitlines()[1])["content_sha256"])

    assert digest("a", 1) == digest("b", 1) != digest("c", 2)
    assert digest("d", 1, 0.5) != digest("e", 1)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_single_flipped_bit_is_found(good: tuple[Path, Path], data: st.DataObject) -> None:
    """Wherever it is."""
    content = bytearray(good[0].read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    changed = good[0].with_name("flipped.jsonl")
    changed.write_bytes(content)
    try:
        result = check(changed)
    except LedgerError:
        return
    assert result.findings


def test_a_flipped_bit_in_the_last_signature_is_found(good: tuple[Path, Path]) -> None:
    """No entry follows it, and the capital of a hex digit says the same."""
    content = good[0].read_bytes()
    changed = good[0].with_name("last.jsonl")
    for at in range(content.rindex(b'"signature":"'), len(content)):
        for bit in range(8):
            one = bytearray(content)
            one[at] ^= 1 << bit
            changed.write_bytes(one)
            assert check(changed).findings, (at, bit)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("start", "segment_ms"), ("start", "public_key"), ("segment", "start_ms"),
        ("segment", "end_ms"), ("file", "sha256"), ("file", "packets_sha256"), ("end", "outcome"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", [None, "x", [[1, 2]], [1], {}, True, 10**400], ids=lambda value: str(value)[:9]
)
def test_values_of_another_kind_are_found(
    kind: str, key: str, value: object, good: tuple[Path, Path]
) -> None:
    """Whoever has a key can chain and sign anything."""
    previous, lines = FIRST, []
    for line in good[0].read_bytes().splitlines():
        entry = json.loads(line)
        if entry["kind"] == kind:
            entry[key] = value
        if entry["kind"] == "file" and key != "sha256":
            entry["sha256"] = "00" * 32
        entry["previous"] = previous
        del entry["signature"]
        entry["signature"] = KEY.sign(canonical(entry)).hex()
        lines.append(canonical(entry))
        previous = line_sha256(lines[-1])
    changed = good[0].with_name("kind.jsonl")
    changed.write_bytes(b"\n".join(lines) + b"\n")
    for against in (None, good[1]):
        assert any(
            "damaged, or no entry" in one for one in check(changed, against=against).findings
        )


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_lines_removed_moved_repeated_or_cut_are_found(
    good: tuple[Path, Path], data: st.DataObject
) -> None:
    lines = good[0].read_bytes().splitlines(keepends=True)
    a = data.draw(st.integers(0, len(lines) - 1))
    b = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != a))
    how = data.draw(st.sampled_from(["remove", "swap", "repeat", "cut", "tear"]))
    match how:
        case "remove":
            del lines[a]
        case "swap":
            lines[a], lines[b] = lines[b], lines[a]
        case "repeat":
            lines.insert(b, lines[a])
        case "cut":
            del lines[a:]
        case "tear":
            lines[a:] = [lines[a][: data.draw(st.integers(0, len(lines[a]) - 1))]]
    changed = good[0].with_name("changed.jsonl")
    changed.write_bytes(b"".join(lines))
    try:
        result = check(changed)
    except LedgerError:
        return
    assert result.findings


def test_the_place_is_told(good: tuple[Path, Path], tmp_path: Path) -> None:
    lines = good[0].read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"frames":20', b'"frames":21')
    changed = tmp_path / "l.jsonl"
    changed.write_bytes(b"".join(lines))
    assert any("entry 4 (at 39.5 s): was changed" in line for line in check(changed).findings)
    changed.write_bytes(b"".join(lines[:4]))
    assert check(changed).findings == (
        "no closing entry: cut off at 29.5 s, or the run was ended by force then",
    )


def test_a_rewritten_ledger_is_not_ours(good: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever makes a new, whole chain with a key of their own is found out by the key."""
    forged = tmp_path / "forged.jsonl"
    with Ledger(forged, HEAD) as ledger:
        ledger.frame(veiled(0.0))
        ledger.finish(good[1], frames_in=1)
    assert verify(forged).findings == ()
    assert verify(forged).signer == "own"
    assert any("another installation" in line for line in check(forged).findings)


def test_a_ledger_of_a_stranger_is_not_called_good(
    good: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever rewrites one can sign it, too: without a known key, whole means nothing."""
    assert main(["ledger", "verify", str(good[0]), "--key", PUBLIC]) == 0
    assert main(["ledger", "verify", str(good[0]), "--json"]) == 7
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["signer"] == "unknown"
    assert main(["ledger", "verify", str(good[0])]) == 7
    told = capsys.readouterr()
    assert "give --key" in told.err
    assert told.out == ""


def test_another_output_is_found(good: tuple[Path, Path], tmp_path: Path) -> None:
    """Another file, a cut one, and one whose packets are the same."""
    ledger, output = good
    cut = shortened(output, tmp_path / "cut.mp4", 50)
    (finding,) = check(ledger, against=cut).findings
    assert "stretches differ, the first from 20 s on" in finding
    same = tmp_path / "same.mp4"
    same.write_bytes(output.read_bytes() + b"\0\0\0\x08free")
    (finding,) = check(ledger, against=same).findings
    assert "its packets are the same" in finding
    with pytest.raises(InputError):
        check(ledger, against=tmp_path / "none.mp4")


def test_packets_count_to_the_same_stretch_when_they_are_compared(tmp_path: Path) -> None:
    """Also where the picture begins at no whole millisecond and one ends with a stretch."""
    output = make(tmp_path / "out.mp4", times=[n * 500 for n in range(30)])
    with Ledger(tmp_path / "l.jsonl", HEAD, key=KEY) as ledger:
        first = replace(veiled(0.0), time=Timestamp(4, Fraction(1, 10_000)))
        ledger.frame(first)
        ledger.finish(output, frames_in=1)
    output.write_bytes(output.read_bytes() + b"\0\0\0\x08free")
    (finding,) = check(tmp_path / "l.jsonl", against=output).findings
    assert "its packets are the same" in finding


@pytest.mark.parametrize("content", [b"", b"no recording"])
def test_an_output_that_is_no_recording_any_more_is_a_finding(
    good: tuple[Path, Path], tmp_path: Path, content: bytes
) -> None:
    """Beside what is wrong with the ledger itself."""
    ledger, output = tmp_path / "l.jsonl", tmp_path / "out.mp4"
    ledger.write_bytes(good[0].read_bytes().replace(b'"frames":20', b'"frames":21', 1))
    output.write_bytes(content)
    findings = check(ledger, against=output).findings
    assert any("was changed" in one for one in findings)
    assert "no recording" in findings[-1]


def shortened(source: Path, target: Path, packets: int) -> Path:
    """The first packets of a file, as they are."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in itertools.islice(old.demux(video=0), packets):
            packet.stream = stream
            new.mux(packet)
    return target


def test_what_is_no_ledger_is_named(good: tuple[Path, Path], tmp_path: Path) -> None:
    for content in (b"", b"hello\n", b"\xff\xfe\n", b"[1]\n", b"{}\n"):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(LedgerError, match="is no ledger"):
            verify(path)
    with pytest.raises(LedgerError, match="cannot be read"):
        verify(tmp_path / "none")
    for key in ("zz", ""):  # as of a shell's variable that is not set
        with pytest.raises(LedgerError, match="no public key"):
            verify(good[0], key=key)


def test_a_ledger_is_never_continued(tmp_path: Path) -> None:
    path = written(tmp_path / "l", 5)
    with pytest.raises(LedgerError, match="exists already"):
        Ledger(path, HEAD, key=KEY)
    with pytest.raises(LedgerError, match="another folder"):
        Ledger(tmp_path / "none" / "l", HEAD, key=KEY)


def test_the_key_is_made_once_for_its_owner_alone() -> None:
    key = installation_key()
    assert public_hex(installation_key().public_key()) == public_hex(key.public_key())
    assert stat.S_IMODE(key_path().stat().st_mode) == 0o600
    assert [path.name for path in key_path().parent.iterdir()] == [key_path().name]
    key_path().chmod(0o644)
    with pytest.raises(LedgerError, match="chmod 600"):
        installation_key()
    key_path().chmod(0o600)
    key_path().write_text("no key")
    with pytest.raises(LedgerError, match="is no key"):
        installation_key()


def test_no_picture_is_in_it(tmp_path: Path) -> None:
    """Not even the veiled one: the file is as small with noise as with nothing."""
    path = written(tmp_path / "l", 100)
    assert path.stat().st_size < 10_000
    data = path.read_bytes()
    plane = bytes(veiled(2.5, seed=1).planes[0].ravel())
    assert not any(plane[at : at + 8] in data for at in range(0, len(plane) - 8, 8))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "l", HEAD, key=KEY)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, ledger._handle)
    os.close(full)
    ledger.frame(veiled(0.0))
    with pytest.raises(LedgerError, match="No space left"):
        ledger.frame(veiled(11.0))
    ledger.fail(ValueError())


def test_an_entry_that_had_no_room_leaves_nothing(tmp_path: Path) -> None:
    """The disk takes half an entry and no more: the ledger ends with the last whole one."""
    code = (
        "import resource, sys; from pathlib import Path; sys.path[:0] = sys.argv[2].split(':');"
        "from ledgers import *; from homeveil.errors import LedgerError;"
        "path = Path(sys.argv[1]); ledger = Ledger(path, HEAD, key=KEY);"
        "[ledger.frame(veiled(n * 5.0)) for n in range(4)];"
        "room = path.stat().st_size + 100;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (room, room));"
        "[ledger.frame(veiled(20.0 + n * 5.0)) for n in range(9)]"
    )
    path = tmp_path / "l"
    words = [sys.executable, "-c", code, str(path), ":".join(entry for entry in sys.path if entry)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "LedgerError" in run.stderr
    result = check(path)
    assert path.read_bytes().endswith(b"\n")
    assert result.outcome == "open-ended"
    assert [line for line in result.findings if "no closing entry" not in line] == []
    assert result.entries >= 2
