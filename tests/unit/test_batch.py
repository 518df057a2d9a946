"""Archives, without a model: inputs, the state, shares of cores, the summary."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import itertools
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec.asyn
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import register_implementation

from homeveil.batch import places
from homeveil.batch.cores import shares
from homeveil.batch.engine import Engine
from homeveil.batch.jobs import Basis, Job, Outcome
from homeveil.batch.places import check_url
from homeveil.batch.run import Run, Standing, Told
from homeveil.batch.sources import Defaults, jobs_from
from homeveil.batch.state import State
from homeveil.batch.summary import summarize
from homeveil.errors import InputError, OutputError, TransferError, UsageError
from homeveil.policy import Policy


def defaults(out: Path, **others: object) -> Defaults:
    return Defaults(**{"destination": str(out), "profile": None, "nobody": True,
                       "policy": Policy(), **others})  # type: ignore[arg-type]  # fmt: skip


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def job(tmp_path: Path, name: str = "a.mp4") -> Job:
    source = tmp_path / "in" / name
    touch(source)
    return Job(str(source), str(tmp_path / "out" / name), None, Policy().to_document())


def test_a_folder_gives_its_recordings_with_their_places(tmp_path: Path) -> None:
    """Recordings of all depths, none of anything else, hidden or already a result."""
    touch(tmp_path / "a.mp4", tmp_path / "x" / "b.MKV", tmp_path / "c.wma", tmp_path / "d.txt",
          tmp_path / ".hidden" / "e.mp4", tmp_path / "out" / "f.mp4")  # fmt: skip
    jobs = jobs_from([str(tmp_path)], defaults(tmp_path / "out"))
    targets = [os.path.relpath(one.target, tmp_path / "out") for one in jobs]
    assert targets == ["a.mp4", "c.wma.m4a", "x/b.MKV"]


@pytest.mark.parametrize("name", ["link", "in/../in", "in/x/.."])
def test_no_result_replaces_a_recording_whatever_its_folder_is_called(
    tmp_path: Path, name: str
) -> None:
    """The folder of the recordings through a link or by way of ``..`` is the same folder."""
    touch(tmp_path / "in" / "a.mp4", tmp_path / "in" / "x" / "b.txt")
    (tmp_path / "link").symlink_to("in")
    for source in (tmp_path / "in", tmp_path / "in" / "a.mp4"):
        with pytest.raises(InputError, match="no recording"):
            jobs_from([str(source)], defaults(tmp_path / name))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").symlink_to("../in/a.mp4")
    with pytest.raises(UsageError, match="is an input itself"):
        jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/in/a.mp4", "s3a://bucket/in"), ("sftp://host/in/a.mp4", "ssh://me@host:22/in"),
        ("sftp://me@host/in/a.mp4", "ssh://host/in"), ("sftp://me@host/in/a.mp4", "ssh://me@host/in"),
        ("sftp://host/in/a.mp4", "sftp://Host/x/../in"), ("local://{}/in/a.mp4", "{}/in"),
        ("sftp://host//in/a.mp4", "sftp://host/in"), ("{}/in/a.mp4", "local://{}/link"),
        ("simplecache::sftp://host/in/a.mp4", "sftp://host/in"), ("{}/in/a.mp4", "{}/link"),
        ("filecache::local://{}/in/a.mp4", "{}/in"), ("az://in@host/a.mp4", "abfs://in@host"),
    ],
)  # fmt: skip
def test_another_name_of_a_server_is_no_other_place(tmp_path: Path, one: str, other: str) -> None:
    """Nothing is asked of the server for that."""
    touch(tmp_path / "in" / "a.mp4")
    (tmp_path / "link").symlink_to("in")
    one, other = one.format(tmp_path), other.format(tmp_path)
    assert places.Known([other]).holds(one)
    assert places.is_same(one, f"{other}/a.mp4")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("abfs://in@store/a.mp4", "abfs://out@store"), ("ftp://me@host/in/a.mp4", "ftp://you@host/in"),
        ("sftp://me@host/in/a.mp4", "sftp://you@host/in"), ("ftp://host/in/a.mp4", "ftp://me@host/in"),
        ("zip://a.mp4::/x.zip", "zip://b.mp4::/x.zip"), ("sftp://h/in2/a.mp4", "sftp://h/in"),
    ],
)  # fmt: skip
def test_another_place_is_no_name_of_it(one: str, other: str) -> None:
    """What stands before a server may be a container, or somebody who has a tree of their own."""
    assert not places.Known([other]).holds(one)
    assert not places.is_same(one, f"{other}/a.mp4")


def test_a_recording_is_not_replaced_by_another_name_of_its_file(tmp_path: Path) -> None:
    """As where a folder is mounted twice, or capitals are the same to a disk."""
    touch(tmp_path / "in" / "a.mp4")
    (tmp_path / "out").mkdir()
    os.link(tmp_path / "in" / "a.mp4", tmp_path / "out" / "a.mp4")
    with pytest.raises(UsageError, match="is an input itself"):
        jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))


def test_a_recording_is_not_replaced_by_way_of_fsspec(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.mp4")
    with pytest.raises(InputError, match="no recording"):
        jobs_from([f"local://{tmp_path}/in"], defaults(tmp_path / "in"))


def test_results_are_no_inputs_whatever_their_folder_is_called(tmp_path: Path) -> None:
    """They lie among the recordings, and the folder is named by a link."""
    touch(tmp_path / "in" / "a.mp4", tmp_path / "in" / "out" / "a.mp4")
    (tmp_path / "link").symlink_to("in/out")
    (one,) = jobs_from([str(tmp_path / "in")], defaults(tmp_path / "link"))
    assert one.source == str(tmp_path / "in" / "a.mp4")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom modes bind"
)
@pytest.mark.parametrize("mode", [0o000, 0o600])
def test_a_folder_that_cannot_be_read_is_not_left_out_silently(tmp_path: Path, mode: int) -> None:
    """One that can be neither listed nor entered, or only listed. A hidden one does not matter."""
    touch(tmp_path / "a.mp4", tmp_path / ".x" / "b.mp4", tmp_path / "x" / "c.mp4")
    (tmp_path / ".x").chmod(0)
    assert len(jobs_from([str(tmp_path)], defaults(tmp_path / "out"))) == 2
    (tmp_path / "x").chmod(mode)
    with pytest.raises(InputError, match=f"{tmp_path}/x.*cannot be read"):
        jobs_from([str(tmp_path)], defaults(tmp_path / "out"))
    for name in ("x", ".x"):
        (tmp_path / name).chmod(0o700)


@pytest.mark.parametrize("pattern", ["", "/**/*.mp4"])
def test_folders_that_links_lead_to_are_looked_into_once(tmp_path: Path, pattern: str) -> None:
    """On another disk, say. One that leads to what is above it, or to a folder that has a name of
    its own there, gives nothing twice, and nothing goes round and round."""
    touch(tmp_path / "in" / "a.mp4", tmp_path / "in" / "z" / "b.mp4",
          tmp_path / "disk" / "c.mp4", tmp_path / "disk" / "x" / "d.mp4")  # fmt: skip
    for name, place in (("in/a", "z"), ("in/loop", "."), ("in/more", "../disk"),
                        ("in/z/up", ".."), ("disk/x/back", "../../in")):  # fmt: skip
        (tmp_path / name).symlink_to(place)
    jobs = jobs_from([f"{tmp_path}/in{pattern}"], defaults(tmp_path / "out"))
    targets = [os.path.relpath(one.target, tmp_path / "out") for one in jobs]
    assert targets == ["a.mp4", "more/c.mp4", "more/x/d.mp4", "z/b.mp4"]


def test_a_link_that_leads_nowhere_is_not_left_out_silently(tmp_path: Path) -> None:
    """To a recording: that one will fail. To what may be a folder: the start is stopped."""
    touch(tmp_path / "in" / "a.mp4")
    (tmp_path / "in" / "b.mp4").symlink_to("gone.mp4")
    (tmp_path / "in" / "b.txt").symlink_to("gone.txt")
    (tmp_path / "in" / ".lock").symlink_to("gone")
    jobs = jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))
    assert [Path(one.source).name for one in jobs] == ["a.mp4", "b.mp4"]
    (tmp_path / "in" / "2023").symlink_to("/disk/that/is/not/there")
    with pytest.raises(InputError, match="in/2023: a link that leads nowhere"):
        jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))


def test_a_result_that_is_a_link_is_no_input(tmp_path: Path) -> None:
    """To a disk with more room, say; however the folder of results is named."""
    touch(tmp_path / "in" / "a.mp4", tmp_path / "big" / "a.mp4")
    (tmp_path / "in" / "out").mkdir()
    (tmp_path / "in" / "out" / "a.mp4").symlink_to(tmp_path / "big" / "a.mp4")
    (tmp_path / "link").symlink_to("in/out")
    for out in ("in/out", "link"):
        (one,) = jobs_from([str(tmp_path / "in")], defaults(tmp_path / out))
        assert one.source == str(tmp_path / "in" / "a.mp4")


def test_what_no_recording_is_in_stops_nothing(tmp_path: Path) -> None:
    """A file system's own folder, which root alone can read, and one that is removed meanwhile."""
    touch(tmp_path / "a.mp4", tmp_path / "lost+found" / "b.mp4", tmp_path / "x" / "c.mp4")
    walk = places._files_below(tmp_path)
    assert next(walk) == tmp_path / "a.mp4"
    shutil.rmtree(tmp_path / "x")
    assert list(walk) == []


def test_two_results_may_be_one_file_to_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where capitals make no difference, one would replace the other."""
    touch(tmp_path / "in" / "a.mp4", tmp_path / "in" / "A.MP4", tmp_path / "in" / "b.mp4")
    out = tmp_path / "out"
    out.mkdir()
    if not places.knows_capitals(str(out / "a.mp4")):
        pytest.skip("capitals make no difference here")
    assert len(jobs_from([str(tmp_path / "in")], defaults(out))) == 3
    assert list(out.iterdir()) == []
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    with pytest.raises(UsageError, match="no difference of capitals"):
        jobs_from([str(tmp_path / "in")], defaults(out))


def test_two_results_may_be_one_file_by_way_of_a_link(tmp_path: Path) -> None:
    """Folders of results that are one folder: one result would replace the other."""
    touch(tmp_path / "in" / "x" / "a.mp4", tmp_path / "in" / "y" / "a.mp4")
    (tmp_path / "out" / "x").mkdir(parents=True)
    (tmp_path / "out" / "y").symlink_to("x")
    with pytest.raises(UsageError, match="would be written"):
        jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))
    # Results that are links are replaced themselves.
    (tmp_path / "out" / "y").unlink()
    (tmp_path / "out" / "y").mkdir()
    (tmp_path / "out" / "y" / "a.mp4").symlink_to("../x/a.mp4")
    assert len(jobs_from([str(tmp_path / "in")], defaults(tmp_path / "out"))) == 2


def test_a_pattern_keeps_what_varies(tmp_path: Path) -> None:
    """A pattern takes what matches; places count from its first variable part."""
    touch(tmp_path / "in" / "x" / "a.mp4", tmp_path / "in" / "y" / "a.mp4")
    jobs = jobs_from([f"{tmp_path}/in/*/a.mp4"], defaults(tmp_path / "out"))
    assert [one.target for one in jobs] == [f"{tmp_path}/out/{name}/a.mp4" for name in "xy"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_manifest_names_file_profile_and_policy(tmp_path: Path, form: str) -> None:
    """Each row may have a profile and a policy of its own; names count from the manifest."""
    touch(tmp_path / "x" / "a.mp4", tmp_path / "b.mp4", tmp_path / "agent.veil")
    (tmp_path / "fill.toml").write_text('style = "fill"\n')
    manifest = tmp_path / f"list.{form}"
    if form == "csv":
        manifest.write_text("file,profile,policy\nx/a.mp4,agent.veil,fill.toml\nb.mp4,,\n")
    else:
        row = {"file": "x/a.mp4", "profile": "agent.veil", "policy": "fill.toml"}
        manifest.write_text(json.dumps(row) + '\n{"file": "b.mp4"}\n')
    first, second = jobs_from([str(manifest)], defaults(tmp_path / "out"))
    assert first.profile == str(tmp_path / "agent.veil")
    assert (first.policy["style"], second.policy["style"]) == ("fill", "veil")
    assert first.target == str(tmp_path / "out" / "x" / "a.mp4")
    assert second.profile is None


@pytest.mark.parametrize(
    "line",
    [
        '{"file": 3}', '{"name": "a.mp4"}', "[1]", "{", '{"file": "a", "age": "4"}',
        "[" * 100_000, r'{"file": "\ud800.mp4"}', r'{"file": "\u0000.mp4"}',
        r'{"file": "a", "profile": "\u0000"}',
    ],
)  # fmt: skip
def test_a_manifest_with_anything_else_is_refused(tmp_path: Path, line: str) -> None:
    """A row without file, or with a key that means nothing, stops the start."""
    (tmp_path / "list.jsonl").write_text(line + "\n")
    with pytest.raises(UsageError, match=r"list\.jsonl"):
        jobs_from([str(tmp_path / "list.jsonl")], defaults(tmp_path / "out"))


def test_what_a_manifest_lists_is_never_left_out_silently(tmp_path: Path) -> None:
    """A recording in the folder of results is one if it is listed; one that is named twice, to be
    cleared in two ways, is refused: which of them was meant?"""
    touch(tmp_path / "a.mp4", tmp_path / "out" / "raw" / "b.mp4")
    (tmp_path / "fill.toml").write_text('style = "fill"\n')
    manifest = tmp_path / "list.csv"
    manifest.write_text("file,policy\nout/raw/b.mp4,\na.mp4,\na.mp4,\n")
    jobs = jobs_from([str(manifest)], defaults(tmp_path / "out"))
    assert [one.source for one in jobs] == [f"{tmp_path}/out/raw/b.mp4", f"{tmp_path}/a.mp4"]
    manifest.write_text("file,policy\na.mp4,\na.mp4,fill.toml\n")
    with pytest.raises(UsageError, match="named twice"):
        jobs_from([str(manifest)], defaults(tmp_path / "out"))
    manifest.write_text("file,policy\na.mp4,fill.toml\n")
    both = [str(tmp_path / "a.mp4"), str(manifest)]
    with pytest.raises(UsageError, match="named twice"):
        jobs_from(both, defaults(tmp_path / "out"))
    # Said twice, it is one way all the same.
    fill = Policy.from_toml(tmp_path / "fill.toml")
    assert len(jobs_from(both, defaults(tmp_path / "out", policy=fill))) == 1


def test_a_manifest_elsewhere_names_policies_beside_it(tmp_path: Path) -> None:
    """Read by way of fsspec."""
    touch(tmp_path / "a.mp4")
    (tmp_path / "fill.toml").write_text('style = "fill"\n')
    (tmp_path / "list.csv").write_text("file,policy\na.mp4,fill.toml\n")
    (one,) = jobs_from([f"local://{tmp_path}/list.csv"], defaults(tmp_path / "out"))
    assert one.policy["style"] == "fill"


def test_a_policy_of_elsewhere_brings_no_models_along(tmp_path: Path) -> None:
    """It would name files of a folder that is gone at once. Absolute paths are the workers'."""
    touch(tmp_path / "a.mp4")
    (tmp_path / "list.csv").write_text(f"file,policy\na.mp4,local://{tmp_path}/own.toml\n")
    table = f'[models.face-detector]\npath = "{{}}m.onnx"\nsha256 = "{"0" * 64}"\n'
    (tmp_path / "own.toml").write_text(table.format(""))
    with pytest.raises(UsageError, match="models beside itself"):
        jobs_from([str(tmp_path / "list.csv")], defaults(tmp_path / "out"))
    (tmp_path / "own.toml").write_text(table.format("/models/"))
    (one,) = jobs_from([str(tmp_path / "list.csv")], defaults(tmp_path / "out"))
    assert one.policy["models"]["face-detector"]["path"] == "/models/m.onnx"


@pytest.mark.parametrize("name", ["a\u2028b.mp4", "a\x85b.mp4", "a\nb.mp4", "a\rb.mp4"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_manifest_may_name_files_with_ends_of_lines(
    tmp_path: Path, form: str, name: str
) -> None:
    """As other programs write them: as they are, where the format allows it."""
    touch(tmp_path / name, tmp_path / "c.mp4")
    row = json.dumps({"file": name}, ensure_ascii=False)
    text = f'file\r\n"{name}"\r\nc.mp4' if form == "csv" else f'{row}\r\n\r\n{{"file": "c.mp4"}}'
    (tmp_path / f"list.{form}").write_bytes(text.encode())
    jobs = jobs_from([str(tmp_path / f"list.{form}")], defaults(tmp_path / "out"))
    assert [one.source for one in jobs] == [f"{tmp_path}/{name}", f"{tmp_path}/c.mp4"]


def test_a_manifest_as_spreadsheets_write_it_is_read(tmp_path: Path) -> None:
    """With a mark before it and both line ends."""
    touch(tmp_path / "a.mp4")
    (tmp_path / "list.csv").write_bytes(b"\xef\xbb\xbffile,profile\r\na.mp4,\r\n")
    (one,) = jobs_from([str(tmp_path / "list.csv")], defaults(tmp_path / "out"))
    assert one.source == str(tmp_path / "a.mp4")


def test_a_manifest_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    """No cell is so long."""
    (tmp_path / "list.csv").write_text(f"file\n{'a' * 200_000}\n")
    with pytest.raises(UsageError, match="is no CSV"):
        jobs_from([str(tmp_path / "list.csv")], defaults(tmp_path / "out"))


def test_misuse_is_told_before_any_work(tmp_path: Path) -> None:
    """Two inputs for one name, an input as output, nobody named, nothing there."""
    touch(tmp_path / "x" / "a.mp4", tmp_path / "y" / "a.mp4")
    with pytest.raises(UsageError, match="would be written"):
        jobs_from([str(tmp_path / "x"), str(tmp_path / "y")], defaults(tmp_path / "out"))
    with pytest.raises(InputError, match="no recording"):
        jobs_from([str(tmp_path / "x")], defaults(tmp_path / "x"))
    with pytest.raises(UsageError, match="whom to show"):
        jobs_from([str(tmp_path / "x")], defaults(tmp_path / "out", nobody=False))
    with pytest.raises(InputError, match="nothing there"):
        jobs_from([str(tmp_path / "z")], defaults(tmp_path / "out"))


@pytest.mark.parametrize("how", ["", "simplecache::"])
@pytest.mark.parametrize("where", ["source", "out", "profile", "file", "its profile", "its policy"])
def test_a_password_in_a_url_is_refused_wherever_it_stands(
    tmp_path: Path, how: str, where: str
) -> None:
    """It would get into the state, reports and logs. The message does not tell it."""
    url, manifest = f"{how}sftp://me:hunter2@host.invalid/x.mp4", tmp_path / "list.jsonl"
    touch(tmp_path / "a.mp4")
    row = {"file": "a.mp4"}
    if where in ("file", "its profile", "its policy"):
        row[where.rpartition(" ")[2]] = url
    manifest.write_text(json.dumps(row) + "\n")
    out = url if where == "out" else str(tmp_path / "out")
    others = {"profile": url, "nobody": False} if where == "profile" else {}
    with pytest.raises(UsageError, match="password") as refused:
        jobs_from([url if where == "source" else str(manifest)],
                  defaults(tmp_path, destination=out, **others))  # fmt: skip
    assert "hunter2" not in str(refused.value)


def test_what_is_no_url_is_named() -> None:
    """An address that nothing can read is misuse, and no traceback."""
    with pytest.raises(UsageError, match="no such URL"):
        check_url("sftp://[::1/x")


def test_one_run_at_a_time_has_a_file(tmp_path: Path) -> None:
    """A lease excludes every other run until it is given back, runs out, or its holder dies."""
    one = job(tmp_path)
    with State(tmp_path / "s") as first, State(tmp_path / "s") as second:
        assert first.claim(one, None) == 1
        assert second.claim(one, second.get(one.target)) is None
        assert first.get(one.target).held
        with sqlite3.connect(tmp_path / "s") as base:
            base.execute("UPDATE files SET lease_until = ?", (time.time() - 1,))
        assert second.claim(one, second.get(one.target)) == 2
        # Who lost the lease notes nothing.
        first.finish(one, "", Basis(), Outcome(), 3)
        assert first.get(one.target).times_done == 0
        first.set_stamp(one.target, "1 2")
        assert first.get(one.target).held
        assert first.get(one.target).stamp == ""


@pytest.mark.parametrize("name", ["plain.mp4", "café.mp4", os.fsdecode(b"caf\xe9\xff.mp4")])
def test_any_name_of_a_file_is_remembered_as_it_is(tmp_path: Path, name: str) -> None:
    """Also one that is not UTF-8: source, target and reason come back unchanged."""
    one = dataclasses.replace(job(tmp_path), source=f"/in/{name}", target=f"/out/{name}")
    with State(tmp_path / "s") as state:
        assert state.get(one.target) is None
        assert state.claim(one, None) == 1
        state.finish(one, "1 2", Basis(), Outcome(f"{one.source}: no"), 3)
    with State(tmp_path / "s") as state:
        (row,) = state.rows()
        assert row == state.get(one.target)
    assert (row.source, row.target, row.reason) == (one.source, one.target, f"{one.source}: no")
    assert one == Job.from_json(one.to_json())
    assert one.staging


def test_a_dead_run_holds_nothing(tmp_path: Path) -> None:
    """The lease of a process that was killed is free at once."""
    one = job(tmp_path)
    code = (
        "import os, sys; from pathlib import Path; from homeveil.batch.state import State;"
        "from homeveil.batch.jobs import Job;"
        "s = State(Path(sys.argv[1])); s.claim(Job.from_json(sys.argv[2]), None);"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s"), one.to_json()], check=False)
    with State(tmp_path / "s") as state:
        row = state.get(one.target)
        assert row.owner is not None
        assert row.lease_until > time.time()
        assert not row.held
        assert state.claim(one, row) == 2


def test_a_clock_that_was_ahead_holds_nothing(tmp_path: Path) -> None:
    """Though nobody can tell whether who had the lease still lives."""
    one = job(tmp_path)
    with State(tmp_path / "s") as state:
        state.claim(one, None)
        with sqlite3.connect(tmp_path / "s") as base:
            base.execute("UPDATE files SET owner = 'x', lease_until = lease_until + 86400")
        row = state.get(one.target)
        assert not row.held
        assert state.claim(one, row) == 2
        assert state.get(one.target).held


def test_a_file_is_set_aside_after_so_many_failures(tmp_path: Path) -> None:
    """Failures that may be the file's fault count; a full disk or a wrong passphrase does not."""
    one = job(tmp_path)
    with State(tmp_path / "s") as state:
        kinds = []
        for blamed in (True, False, True, False, True):
            state.claim(one, state.get(one.target))
            kinds.append(state.finish(one, "", Basis(), Outcome("bad", blames_file=blamed), 3))
        assert kinds == ["failed", "failed", "failed", "failed", "poison"]
        assert state.get(one.target).reason == "bad"


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000])
def test_an_owner_that_no_run_wrote_may_still_live(tmp_path: Path, number: str) -> None:
    """Its lease runs out by itself."""
    one = job(tmp_path)
    with State(tmp_path / "s") as state:
        state.claim(one, None)
        machine = state.owner.split(" ")[0]
        with sqlite3.connect(tmp_path / "s") as base:
            base.execute("UPDATE files SET owner = ?", (f"{machine} {number} 1 x",))
        assert state.get(one.target).held


@pytest.mark.parametrize("damage", ["garbage", "cut", "middle"])
def test_a_broken_state_file_is_refused(tmp_path: Path, damage: str) -> None:
    """Work that would be remembered nowhere is not begun; the message says what to do."""
    path = tmp_path / "s"
    with State(path) as state:
        for number in range(60):
            state.claim(job(tmp_path, f"{number}.mp4"), None)
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"no state file" * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        path.write_bytes(data[:5000] + os.urandom(8000) + data[13000:])
    with pytest.raises(OutputError, match="move it away"):
        State(path)


@pytest.mark.parametrize(
    "change",
    [
        "report = '[]'", "report = '{\"frames\": 1}'", "outcome = 'weird'", "attempts = 'many'",
        "report = '{\"frames\": \"x\", \"veiled_share\": 0}'", "source = x'ff00ff'",
        "report = '{\"frames\": 1, \"veiled_share\": 0, \"spans\": [1]}'",
        f"report = '{'[' * 100_000}'", "wall_seconds = 9e999",
        "report = '{\"frames\": Infinity, \"veiled_share\": 0}'",
        f"report = '{{\"frames\": 1{'0' * 400}, \"veiled_share\": 0}}'",
        "report = '{\"frames\": 1, \"veiled_share\": 7}'",
        "report = '{\"frames\": 1, \"veiled_share\": 0, \"spans\": [{\"start_seconds\": 0,"
        " \"end_seconds\": 1, \"reason\": [1]}]}'",
        "lease_until = 'late', owner = 'x'", "report = '{\"frames\": 1, \"veiled_share\": null}'",
    ],
)  # fmt: skip
def test_a_row_that_no_run_wrote_is_refused(tmp_path: Path, change: str) -> None:
    """Before any work, by the same words as other damage."""
    one = job(tmp_path)
    with State(tmp_path / "s") as state:
        state.claim(one, None)
        state.finish(one, "1 2", Basis(), Outcome(), 3)
        summarize(state.rows())
    with sqlite3.connect(tmp_path / "s") as base:
        base.execute(f"UPDATE files SET {change}")
    with pytest.raises(OutputError, match="move it away"):
        State(tmp_path / "s")


def test_what_is_out_of_date_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another source, policy, model, profile or a missing result: to do; else nothing is."""
    basis = Basis(policy="p", models="m", profile="f")
    monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: basis)
    one = job(tmp_path)
    touch(Path(one.target))

    def standing() -> Standing:
        return Run([one], state).inputs[0].standing

    with State(tmp_path / "s") as state:
        assert standing() is Standing.NEW
        state.claim(one, None)
        stamp = Run([one], state).inputs[0].stamp
        state.finish(one, stamp, dataclasses.replace(basis, content="c"), Outcome(bytes_out=1), 3)
        assert standing() is Standing.DONE
        for key in ("policy", "models", "profile"):
            monkeypatch.setattr(
                "homeveil.batch.run.basis_of",
                lambda job, key=key: dataclasses.replace(basis, **{key: "other"}),
            )
            assert standing() is Standing.CHANGED
        monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: basis)
        os.utime(one.source, (1, 1))
        assert standing() is Standing.CHANGED
        os.utime(one.source, ns=(int(stamp.split()[1]),) * 2)
        assert standing() is Standing.DONE
        Path(one.target).unlink()
        assert standing() is Standing.CHANGED


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, Job]:
    """Two recordings of one size and time for one result, which is that of the first."""
    basis = Basis(policy="p", models="m", profile="f")
    monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: basis)
    (tmp_path / "b").mkdir()
    one, two = job(tmp_path), dataclasses.replace(job(tmp_path), source=str(tmp_path / "b/a.mp4"))
    Path(two.source).write_bytes(b"y")
    for each in (one, two):
        os.utime(each.source, (1, 1))
    touch(Path(one.target))
    with State(tmp_path / "s") as state:
        state.claim(one, None)
        stamp = Run([one], state).inputs[0].stamp
        content = dataclasses.replace(basis, content=hashlib.sha256(b"x").hexdigest())
        state.finish(one, stamp, content, Outcome(bytes_in=1, bytes_out=1), 3)
    return one, two


class Canned(Engine):
    """Ends every job with one outcome."""

    free = 1

    def __init__(self, outcome: Outcome | None) -> None:
        self.outcome, self.had = outcome, list[Job]()

    def submit(self, job: Job) -> None:
        if self.outcome is None:
            raise KeyboardInterrupt
        self.had.append(job)

    def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
        return [(self.had[-1], self.outcome or Outcome())]

    def close(self) -> None:
        """Nothing runs."""


def test_a_result_is_of_one_recording(tmp_path: Path, pair: tuple[Job, Job]) -> None:
    """Another one under the same name, in another folder, is never taken for done, though size and
    time are the same, and does not replace it while both are there. Moved, it keeps its result."""
    one, two = pair
    with State(tmp_path / "s") as state:
        with pytest.raises(UsageError, match="is the result of"):
            Run([two], state)
        Path(one.source).unlink()
        assert Run([two], state).inputs[0].standing is Standing.CHANGED
        # A run that is stopped after it took the lease.
        with pytest.raises(KeyboardInterrupt):
            Run([two], state).work(Canned(None))
    with State(tmp_path / "s") as state:
        assert Run([two], state).inputs[0].standing is Standing.CHANGED


def test_a_recording_by_another_name_is_done(tmp_path: Path, pair: tuple[Job, Job]) -> None:
    (tmp_path / "link").symlink_to("in")
    linked = dataclasses.replace(pair[0], source=str(tmp_path / "link" / "a.mp4"))
    with State(tmp_path / "s") as state:
        assert Run([linked], state).inputs[0].standing is Standing.DONE


def test_a_result_stands_when_to_renew_it_failed(tmp_path: Path, pair: tuple[Job, Job]) -> None:
    one, two = pair
    os.utime(one.source, (2, 2))
    with State(tmp_path / "s") as state:
        Run([one], state).work(Canned(Outcome("disk full", blames_file=False)))
        assert state.get(one.target).outcome == "failed"
        with pytest.raises(UsageError, match="is the result of"):
            Run([two], state)


def test_a_recording_that_grows_all_the_time_does_not_keep_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another file each time that it is looked at. Tried three times, and by the next run."""
    monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: Basis())
    one, told = job(tmp_path), list[Told]()

    class Growing(Canned):
        def submit(self, job: Job) -> None:
            super().submit(job)
            assert len(self.had) < 10
            with open(job.source, "ab") as file:
                file.write(b"more")

    with State(tmp_path / "s") as state:
        Run([one], state, tell=told.append).work(Growing(Outcome("changed while it was read")))
        assert [each.kind for each in told] == ["again", "again", "failed"]
        assert Run([one], state).inputs[0].standing is Standing.CHANGED


def test_what_must_not_be_replaced_fails_alone(tmp_path: Path, pair: tuple[Job, Job]) -> None:
    """Another run published it meanwhile; the rest of this one goes on."""
    one, two = pair
    third, told = job(tmp_path, "c.mp4"), list[Told]()
    with State(tmp_path / "t") as state, State(tmp_path / "t") as other:
        other.claim(one, None)
        run = Run([two, third], state, tell=told.append)
        other.finish(one, "1 1", Basis(content="c"), Outcome(bytes_in=1, bytes_out=1), 3)
        run.work(Canned(Outcome(content="c", bytes_out=1)))
        assert {each.job.source: each.kind for each in told} == {
            two.source: "failed", third.source: "done",
        }  # fmt: skip
        (failed,) = (each for each in told if each.kind == "failed")
        assert "is the result of" in failed.outcome.reason
        assert state.get(one.target).source == one.source


def test_a_run_that_waits_keeps_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a server says nothing, no other run takes the files that are being done."""
    monkeypatch.setattr("homeveil.batch.state.LEASE_SECONDS", 0.4)
    monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: Basis())
    one, seen = job(tmp_path), list[bool]()

    class Slow(Canned):
        def wait(self, seconds: float) -> list[tuple[Job, Outcome]]:
            for _ in range(10):
                time.sleep(0.1)
                with State(tmp_path / "s") as other:
                    seen.append(other.get(one.target).held)
            return super().wait(seconds)

    with State(tmp_path / "s") as state:
        Run([one], state).work(Slow(Outcome(content="c", bytes_out=1)))
    assert all(seen)


class _Silent(LocalFileSystem):
    """A server that does not answer."""

    protocol = "silent"
    asked = 0

    def info(self, path: str, **named: object) -> dict[str, object]:
        type(self).asked += 1
        raise TimeoutError

    get_file = info


def test_a_server_of_earlier_that_is_silent_is_asked_once(
    tmp_path: Path, pair: tuple[Job, Job]
) -> None:
    """What cannot be told to be gone is not replaced, and stops nothing else."""
    register_implementation("silent", _Silent, clobber=True)
    old = [dataclasses.replace(job(tmp_path, f"{n}.mp4"), source=f"silent://h/{n}") for n in "def"]
    new = [job(tmp_path, f"{name}.mp4") for name in "defg"]
    told = list[Told]()
    with State(tmp_path / "s") as state:
        for each in old:
            touch(Path(each.target))
            state.claim(each, None)
            state.finish(each, "1", Basis(content="c"), Outcome(bytes_in=1, bytes_out=1), 3)
        Run(new, state, tell=told.append).work(Canned(Outcome(content="c", bytes_out=1)))
        assert [each.kind for each in told] == ["failed", "failed", "failed", "done"]
        assert "cannot be asked for now" in told[0].outcome.reason
        assert state.get(old[0].target).outcome == "done"
    assert _Silent.asked == 1


def unreached(tmp_path: Path, count: int) -> list[dict[str, str]]:
    """Rows of a manifest, on a server that does not answer."""
    register_implementation("silent", _Silent, clobber=True)
    _Silent.asked = 0
    return [{"file": f"silent://h/{number}.mp4"} for number in range(count)]


@pytest.mark.parametrize("of", ["file", "profile"])
def test_a_server_that_is_silent_at_the_start_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """The recordings of a manifest, or the profile of some: those come last and fail for now,
    with the server asked once for all of them, for each of the tries."""
    rows = unreached(tmp_path, 3)
    touch(tmp_path / "a.mp4", *(tmp_path / f"{number}.mp4" for number in range(3)))
    if of == "profile":
        rows = [{"file": f"{n}.mp4", "profile": "silent://h/agent.veil"} for n in range(3)]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in [*rows, {"file": "a.mp4"}]))
    jobs = jobs_from([str(manifest)], defaults(tmp_path / "out"))
    started, told = _Silent.asked, list[Told]()
    with State(tmp_path / "s") as state:
        run = Run(jobs, state, tell=told.append)
        assert [one.standing.value for one in run.inputs] == [*["unreached"] * 3, "new"]
        run.work(Canned(Outcome(content="c", bytes_out=1)))
    assert [each.kind for each in told if each.job.target == jobs[3].target] == ["done"]
    for each in jobs[:3]:
        mine = [one for one in told if one.job.target == each.target]
        assert [one.kind for one in mine] == ["again", "again", "failed"]
    if of == "file":
        assert all(one.outcome.reason.startswith(one.job.source) for one in told[-3:])
        assert _Silent.asked - started == 3


def test_where_no_server_answers_nothing_is_begun(tmp_path: Path) -> None:
    """A run of which nothing could be done."""
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in unreached(tmp_path, 2)))
    jobs = jobs_from([str(manifest)], defaults(tmp_path / "out"))
    with State(tmp_path / "s") as state, pytest.raises(TransferError, match="silent://h/0"):
        Run(jobs, state)


class _Fading(LocalFileSystem):
    """A server that tells of each file once."""

    protocol = "fading"
    error: type[OSError] = OSError
    told: ClassVar[set[str]] = set()

    def info(self, path: str, **named: object) -> dict[str, object]:
        if path in self.told:
            raise self.error("no more")
        self.told.add(path)
        return {"size": 1}


@pytest.mark.parametrize("error", [ConnectionRefusedError, PermissionError])
def test_a_server_that_fails_in_mid_run_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    """Its files fail for now and are not set aside; those of other places are done."""
    monkeypatch.setattr("homeveil.batch.run.basis_of", lambda job: Basis())
    monkeypatch.setattr(_Fading, "error", error)
    monkeypatch.setattr(_Fading, "told", set())
    register_implementation("fading", _Fading, clobber=True)
    one, other = job(tmp_path), job(tmp_path, "b.mp4")
    one = dataclasses.replace(one, source="fading://h/a.mp4")
    told = list[Told]()
    with State(tmp_path / "s") as state:
        Run([one, other], state, tell=told.append).work(Canned(Outcome(content="c", bytes_out=1)))
        kinds = [each.kind for each in told if each.job.target == one.target]
        assert kinds == ["again", "again", "failed"]
        assert [each.kind for each in told if each.job.target == other.target] == ["done"]
        assert state.get(one.target) is None


def test_each_worker_has_its_share_of_cores() -> None:
    """Cores are dealt out whole, evenly, and shared only when there are too few."""
    assert shares([0, 1], 2) == [{0}, {1}]
    assert shares([0, 1, 2, 3], 2) == [{0, 1}, {2, 3}]
    assert shares([0, 1, 2], 2) == [{0}, {1, 2}]
    assert shares([4, 5], 3) == [{4}, {5}, {4}]


def test_the_summary_says_nothing_about_who_was_seen(tmp_path: Path) -> None:
    """Seconds, shares and reasons of files; no profile, no spans, no name of anybody; names of
    files cannot break the page."""
    one = dataclasses.replace(job(tmp_path, "<b>a.mp4"), profile="/keys/maria.veil")
    report = {
        "frames": 10, "seconds": 2.0, "veiled_share": 0.25,
        "spans": [{"start_seconds": 0.0, "end_seconds": 0.5, "reason": "uncleared"}],
        "sound": {"seconds": 2.0, "cleared": 0.5, "withheld": {"not cleared": 1.5}},
    }  # fmt: skip
    with State(tmp_path / "s") as state:
        state.claim(one, None)
        state.finish(one, "", Basis(), Outcome(report=report, wall_seconds=3.0), 3)
        summary = summarize(state.rows())
    assert summary.picture_share_withheld == 0.25
    assert summary.picture_withheld_whole == {"uncleared": 0.5}
    assert summary.sound_withheld == {"not cleared": 1.5}
    assert summary.shares[2] == 1
    for text in (summary.to_json(), summary.to_html()):
        assert not any(word in text for word in ("maria", "agent", "person", "child", "face"))
    page = summary.to_html()
    assert "<svg" in page
    assert "<b>" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_jobs_and_outcomes_pass_as_text(tmp_path: Path) -> None:
    """What goes through a pipe or Ray comes out as it went in."""
    one = job(tmp_path)
    assert Job.from_json(one.to_json()) == one
    assert Outcome.from_json(Outcome("x", lost=True).to_json()) == Outcome("x", lost=True)
    assert Told(one, "done", Outcome()).outcome.done


def test_the_command_line_stays_light() -> None:
    """Neither fsspec, Ray nor SQLite is loaded until an archive asks for it."""
    code = (
        "import sys, homeveil.cli;"
        "sys.exit(bool({'fsspec', 'ray', 'sqlite3', 'paramiko', 's3fs'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class _Chunked(http.server.BaseHTTPRequestHandler):
    """Does not say how long a file is."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"abc"')
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"1\r\nx\r\n0\r\n\r\n")

    def log_message(self, *told: object) -> None:
        """Nothing on the terminal."""


def test_a_server_need_not_tell_sizes() -> None:
    pytest.importorskip("aiohttp")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Chunked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert places.size(f"http://127.0.0.1:{server.server_port}/x.mp4") == 0
        server.shutdown()


class _Failing(http.server.BaseHTTPRequestHandler):
    """Has one file of one size, under another time each time that it is asked for, and for
    ``/STATUS`` that status."""

    times = itertools.count(1)

    def do_HEAD(self) -> None:
        status = self.path.strip("/")
        self.send_response(int(status) if status.isdecimal() else 200)
        self.send_header("Content-Length", "1")
        self.send_header("Last-Modified", self.date_time_string(next(self.times)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"x")

    def log_message(self, *told: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def failing() -> Iterator[str]:
    """The address of such a server."""
    pytest.importorskip("aiohttp")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_server_that_fails_does_not_say_that_a_file_is_gone(failing: str) -> None:
    """fsspec has a missing file for whatever goes wrong: a result would be replaced by that of
    another recording, and a profile be told to be missing."""
    assert places.stamp(f"{failing}/404") is None
    for status in (403, 500, 503):
        with pytest.raises(TransferError, match=str(status)):
            places.stamp(f"{failing}/{status}")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(TransferError, match="cannot be reached"):
        places.stamp(f"http://127.0.0.1:{port}/a.mp4")


def test_a_time_alone_tells_that_a_file_of_a_web_server_has_changed(failing: str) -> None:
    """Not every server sends an ETag, and another recording may have as many bytes."""
    assert places.stamp(f"{failing}/a.wav") != places.stamp(f"{failing}/a.wav")


def test_a_transfer_from_a_web_server_may_take_as_long_as_it_moves(failing: str) -> None:
    """aiohttp ends each after five minutes; a long recording would never come."""
    system, _ = places._filesystem(f"{failing}/a.mp4")
    session = fsspec.asyn.sync(system.loop, system.set_session)
    assert session.timeout.total is None


class _Watched(LocalFileSystem):
    """Notes where copies are put."""

    protocol = "watched"
    copies: ClassVar[list[Path]] = []

    def get_file(self, rpath: str, lpath: str, *others: Any, **named: Any) -> None:
        self.copies.append(Path(lpath))
        super().get_file(rpath.removeprefix("watched://"), lpath, *others, **named)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(LocalFileSystem._strip_protocol(path.removeprefix("watched://")))


def test_what_is_fetched_to_be_hashed_is_swept_like_all_copies(tmp_path: Path) -> None:
    register_implementation("watched", _Watched, clobber=True)
    touch(tmp_path / "a.mp4")
    told = places.content_sha256(f"watched://{tmp_path}/a.mp4")
    assert told == hashlib.sha256(b"x").hexdigest()
    (copy,) = _Watched.copies
    assert copy.parent.name.startswith("homeveil-raw-")
