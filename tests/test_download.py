"""Downloads against a real server on this machine: what breaks is resumed, what is wrong never gets its name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ganzoo.data import download
from ganzoo.data.download import cache_dir, fetch
from ganzoo.data.unpack import fetch_folder, unpack
from ganzoo.errors import RunError, UserError

CONTENT = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(40_000))  # 1.28 MB that nothing repeats in
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
NOWHERE = "http://127.0.0.1:9/file.bin"


@dataclass
class Served:
    """One path of the server and how it misbehaves."""

    content: bytes
    etag: str = '"one"'
    modified: str = ""
    ranges: bool = True
    heeds_if_range: bool = True
    statuses: list[int] = field(default_factory=list)
    """Answers to give first, one a request."""
    drops: list[int] = field(default_factory=list)
    """After how many bytes of the body the connection breaks, one a request."""
    delay: float = 0.0
    """Seconds between blocks of 64 kB."""
    kind: str = "application/octet-stream"
    chunked: bool = False


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.ranges: list[str] = []
        """The Range header of every request, empty where there was none."""

    def url(self, name: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that go away are what is tested here


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range", ""))
        served = self.server.files.get(self.path.lstrip("/"))
        if served is None:
            self.send_error(404)
            return
        if served.statuses:
            self.send_error(served.statuses.pop(0))
            return
        start, status = 0, 200
        wanted = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        fits = condition in (None, served.etag, served.modified) or not served.heeds_if_range
        if wanted and served.ranges and fits:
            start, status = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
            if start >= len(served.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(served.content)}")
                self.end_headers()
                return
        body = served.content[start:]
        self.send_response(status)
        self.send_header("Content-Type", served.kind)
        if served.etag:
            self.send_header("ETag", served.etag)
        if served.modified:
            self.send_header("Last-Modified", served.modified)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(served.content) - 1}/{len(served.content)}")
        if not served.chunked:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        end = min(len(body), served.drops.pop(0)) if served.drops else len(body)
        for at in range(0, end, 1 << 16):
            self.wfile.write(body[at : min(end, at + (1 << 16))])
            self.wfile.flush()
            time.sleep(served.delay)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts that a test can wait for."""
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.01)
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)


def nothing_left_beside(target: Path) -> bool:
    return [path.name for path in target.parent.iterdir()] == [target.name]


# ------------------------------------------------------------------------------------------------------------- fetch


def test_cache_dir_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("GANZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "ganzoo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "ganzoo"


@pytest.mark.parametrize("sums", [{"sha256": SHA256}, {"md5": MD5}, {"size": len(CONTENT)}, {}])
def test_a_file_arrives_whole_and_alone(server: Server, tmp_path: Path, sums: dict[str, str]) -> None:
    server.files["file.bin"] = Served(CONTENT)
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "deep" / "er" / "file.bin"
    assert fetch(server.url(), target, progress=lambda *step: seen.append(step), **sums) == target  # type: ignore[arg-type]
    assert target.read_bytes() == CONTENT
    assert nothing_left_beside(target)
    assert seen[-1] == ("download file.bin", len(CONTENT), len(CONTENT))
    fetch(server.url(), target, **sums)  # type: ignore[arg-type]
    assert len(server.ranges) == 1, "a file that is there is not asked for again"


def test_a_broken_connection_is_resumed_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, drops=[300_000, 400_000])
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert server.ranges == ["", "bytes=300000-", "bytes=700000-"]
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_without_a_checksum_the_validator_is_what_resumes(server: Server, tmp_path: Path) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.files["file.bin"] = Served(CONTENT, etag='W/"weak"', modified=date, drops=[300_000])
    fetch(server.url(), tmp_path / "file.bin")
    assert server.ranges == ["", "bytes=300000-"]
    server.files["other.bin"] = Served(CONTENT, etag="", drops=[300_000])
    fetch(server.url("other.bin"), tmp_path / "other.bin")
    assert server.ranges[2:] == ["", ""], "no validator, no checksum: the halves could be of two files"
    assert (tmp_path / "other.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, ranges=False, drops=[300_000])
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, ranges=False, drops=[300_000] * 50)
    with pytest.raises(UserError, match=r"broke after 300,000 of 1,280,000 bytes \(5 attempts\).*is kept"):
        fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert len(server.ranges) <= 6
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize("heeds_if_range", [True, False])
def test_a_file_that_changes_on_the_way_is_not_mixed(server: Server, tmp_path: Path, heeds_if_range: bool) -> None:
    served = server.files["file.bin"] = Served(CONTENT, drops=[300_000] * 6, ranges=False)
    target = tmp_path / "file.bin"
    with pytest.raises(UserError):
        fetch(server.url(), target)
    newer = CONTENT[::-1]
    server.files["file.bin"] = Served(newer, etag='"two"', heeds_if_range=heeds_if_range)
    assert served.etag == '"one"'
    fetch(server.url(), target)
    assert target.read_bytes() == newer
    assert server.ranges[-1 if heeds_if_range else -2] == "bytes=300000-"


def test_a_part_of_another_file_with_the_same_tag_is_started_over_once(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT)
    part = tmp_path / "file.bin.part"
    part.write_bytes(b"x" * 1000)
    note = {"url": server.url(), "etag": '"one"', "modified": "", "total": len(CONTENT)}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert server.ranges == ["bytes=1000-", ""]
    assert nothing_left_beside(tmp_path / "file.bin")


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}'])
def test_a_part_without_a_note_is_not_trusted(server: Server, tmp_path: Path, note: str) -> None:
    server.files["file.bin"] = Served(CONTENT)
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "file.bin.part.json").write_text(note)
    fetch(server.url(), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_range_past_the_end_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT)
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    note = {"url": server.url(), "etag": '"one"', "modified": "", "total": 0}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(server.url(), tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_is_complete_needs_no_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    note = {"url": server.url(), "etag": '"one"', "modified": "", "total": len(CONTENT)}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert server.ranges == []


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, statuses=[503, 429, 500])
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert len(server.ranges) == 4


def test_a_body_of_unknown_length_arrives(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, chunked=True)
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(server: Server, tmp_path: Path) -> None:
    server.files["wrong.bin"] = Served(b"something else")
    server.files["file.bin"] = Served(CONTENT)
    fetch([NOWHERE, server.url("gone.bin"), server.url("wrong.bin"), server.url()], tmp_path / "f", md5=MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_mirror_goes_on_where_another_stopped(server: Server, tmp_path: Path) -> None:
    server.files["a.bin"] = Served(CONTENT, drops=[300_000] + [0] * 20)
    server.files["b.bin"] = Served(CONTENT, etag='"another"')
    fetch([server.url("a.bin"), server.url("b.bin")], tmp_path / "f", sha256=SHA256)
    assert server.ranges[-1] == "bytes=300000-"
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_wrong_bytes_never_get_the_name(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT[:-1] + b"!")
    with pytest.raises(UserError, match=f"sha256 [0-9a-f]+, expected {SHA256}.*put the file at {tmp_path}/file.bin"):
        fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_length_is_seen_before_the_download(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT)
    with pytest.raises(UserError, match="has 1,280,000 bytes, expected 77"):
        fetch(server.url(), tmp_path / "file.bin", size=77)


def test_a_login_page_is_not_taken_for_the_file(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(b"<html>please log in</html>", kind="text/html; charset=utf-8")
    with pytest.raises(UserError, match="web page in place of the file"):
        fetch(server.url(), tmp_path / "file.bin")


def test_a_missing_file_says_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        fetch(server.url("gone.bin"), tmp_path / "gone.bin")
    (line,) = caught.value.lines
    assert line.startswith(f"cannot download {server.url('gone.bin')}: HTTP 404 Not Found")
    assert line.endswith(f"or put the file at {tmp_path / 'gone.bin'} yourself")


def test_no_network_is_one_line_and_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        fetch(NOWHERE, tmp_path / "cache" / "file.bin", sha256=SHA256)
    assert time.monotonic() - started < 2
    assert caught.value.lines == (
        f"cannot download {NOWHERE}: Connection refused; try again when the network is there, "
        f"or put the file at {tmp_path / 'cache' / 'file.bin'} yourself",
    )


def test_without_permission_the_network_is_left_alone(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT)
    with pytest.raises(UserError, match=f"switched off.*put the file at .*from {server.url()}"):
        fetch(server.url(), tmp_path / "sub" / "file.bin", download=False)
    assert server.ranges == []
    assert not (tmp_path / "sub").exists()


def test_a_file_put_there_by_hand_is_checked(tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    target.write_bytes(CONTENT)
    assert fetch(NOWHERE, target, sha256=SHA256.upper(), download=False) == target
    target.write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match=f"{target} is not the expected file .*delete it"):
        fetch(NOWHERE, target, sha256=SHA256)
    assert target.exists(), "what somebody put there is not ours to delete"


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    with pytest.raises(UserError, match="only http and https"):
        fetch((tmp_path / "secret").as_uri(), tmp_path / "file.bin")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be written .*GANZOO_CACHE"):
        fetch(NOWHERE, tmp_path / "file" / "sub" / "file.bin")


# -------------------------------------------------------------------------------------------------------- processes

CHILD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may have had it ignored
from pathlib import Path
from ganzoo.data import download
from ganzoo.errors import GanzooError
download.FIRST_PAUSE = 0.01
{setup}
try:
    download.fetch(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])
except GanzooError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_code)
except KeyboardInterrupt:
    sys.exit(130)
"""


def start(server: Server, target: Path, setup: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    command = [sys.executable, "-c", CHILD.format(setup=setup), server.url(), str(target), SHA256]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(part: Path, size: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if part.exists() and part.stat().st_size >= size:
            return
        time.sleep(0.01)
    raise AssertionError(f"{part} did not grow to {size}")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_stopped_download_is_resumed(server: Server, tmp_path: Path, number: int, code: int) -> None:
    served = server.files["file.bin"] = Served(CONTENT, delay=0.1)
    target, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    with start(server, target) as child:
        wait_for(part, 200_000)
        child.send_signal(number)
        assert child.wait(30) == code
    kept = part.stat().st_size
    assert 200_000 <= kept < len(CONTENT)
    assert part.read_bytes() == CONTENT[:kept]
    assert not target.exists()
    served.delay = 0.0
    fetch(server.url(), target, sha256=SHA256)
    assert server.ranges == ["", f"bytes={kept}-"]
    assert target.read_bytes() == CONTENT
    assert nothing_left_beside(target)


def test_two_processes_download_once(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, delay=0.02)
    target = tmp_path / "file.bin"
    with start(server, target) as one, start(server, target) as two:
        assert (one.wait(60), two.wait(60)) == (0, 0)
    assert server.ranges == [""]
    assert target.read_bytes() == CONTENT
    assert nothing_left_beside(target)


def test_threads_of_one_process_download_once(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT, delay=0.01)
    threads = [threading.Thread(target=fetch, args=(server.url(), tmp_path / "file.bin")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.ranges == [""]


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the operating system")
def test_a_full_disk_is_a_failure_of_the_run(server: Server, tmp_path: Path) -> None:
    server.files["file.bin"] = Served(CONTENT)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    with start(server, tmp_path / "file.bin", limit) as child:
        assert child.stdout is not None
        said = child.stdout.read()
        assert child.wait(30) == 1
    assert said.startswith(f"RunError {tmp_path / 'file.bin'}: the disk is full")
    assert len(said.splitlines()) == 1
    assert (tmp_path / "file.bin.part").stat().st_size == 500_000
    fetch(server.url(), tmp_path / "file.bin", sha256=SHA256)
    assert server.ranges[-1] == "bytes=500000-"


def test_a_file_larger_than_the_disk_is_refused_before_it_is_begun(server: Server, tmp_path: Path) -> None:
    class Endless(bytes):
        def __len__(self) -> int:
            return 1 << 60

        def __getitem__(self, index: object) -> Endless:  # type: ignore[override]
            return self

    server.files["file.bin"] = Served(Endless(b"x"), drops=[0])
    with pytest.raises(RunError, match="bytes are to come"):
        fetch(server.url(), tmp_path / "file.bin")


# ---------------------------------------------------------------------------------------------------------- archives


def tar_of(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, to in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, to
            tar.addfile(info)
    return buffer.getvalue()


def test_the_inner_folder_of_an_archive_becomes_the_folder(tmp_path: Path) -> None:
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(tar_of({"inner/a.txt": b"a", "inner/b/c.txt": b"c", "other.txt": b"o"}))
    folder = unpack(archive, tmp_path / "set", inner="inner")
    assert (folder / "b" / "c.txt").read_bytes() == b"c"
    assert {path.name for path in tmp_path.iterdir()} == {"set.tar.gz", "set"}
    archive.write_bytes(b"not looked at again")
    assert unpack(archive, folder) == folder


def test_a_zip_is_unpacked_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as container:
        container.writestr("pictures/1.jpg", b"one")
    assert (unpack(tmp_path / "set.zip", tmp_path / "set", inner="pictures") / "1.jpg").read_bytes() == b"one"


@pytest.mark.parametrize(
    "content",
    [
        tar_of({"ok/a": b"a", "../outside": b"x"}),
        tar_of({"ok/a": b"a"}, links={"ok/link": "../../outside"}),
        tar_of({"ok/a": b"a"}, links={"ok/link": "/etc"}),
        tar_of({"ok/a": os.urandom(100_000)})[:50_000],
        b"no archive at all",
        b"",
    ],
)
def test_a_bad_tar_leaves_nothing_behind(tmp_path: Path, content: bytes) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "set.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"set.tar.gz cannot be unpacked .*delete it and run again"):
        unpack(work / "set.tar.gz", work / "set", inner="ok")
    assert nothing_left_beside(work / "set.tar.gz")
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "ok/../../outside"])
def test_a_zip_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with zipfile.ZipFile(work / "set.zip", "w") as container:
        container.writestr(name, b"x")
    with pytest.raises(UserError, match="outside its folder"):
        unpack(work / "set.zip", work / "set")
    assert nothing_left_beside(work / "set.zip")


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz").write_bytes(tar_of({"surprise/a": b"a"}))
    with pytest.raises(UserError, match="no folder 'inner' in it, it holds surprise"):
        unpack(tmp_path / "set.tar.gz", tmp_path / "set", inner="inner")


def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz").write_bytes(tar_of({"a": b"a"}))
    (tmp_path / "set.unpacking").mkdir()
    (tmp_path / "set.unpacking" / "half").write_bytes(b"x")
    assert [path.name for path in unpack(tmp_path / "set.tar.gz", tmp_path / "set").iterdir()] == ["a"]


def test_a_fetched_archive_goes_and_one_put_there_stays(server: Server, tmp_path: Path) -> None:
    content = tar_of({"inner/a": b"a"})
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    server.files["set.tar.gz"] = Served(content)
    one, two = tmp_path / "one", tmp_path / "two"
    fetch_folder(server.url("set.tar.gz"), one / "set.tar.gz", one / "set", inner="inner", md5=md5)
    assert nothing_left_beside(one / "set")
    two.mkdir()
    (two / "set.tar.gz").write_bytes(content)
    fetch_folder(NOWHERE, two / "set.tar.gz", two / "set", inner="inner", md5=md5, download=False)
    assert {path.name for path in two.iterdir()} == {"set", "set.tar.gz"}
    with pytest.raises(UserError, match="switched off"):
        fetch_folder(NOWHERE, tmp_path / "three" / "set.tar.gz", tmp_path / "three" / "set", md5=md5, download=False)
    assert not (tmp_path / "three").exists()


def test_many_at_once_fetch_and_unpack_once(server: Server, tmp_path: Path) -> None:
    content = tar_of({f"inner/{i}": bytes(1000) for i in range(200)})
    server.files["set.tar.gz"] = Served(content)
    counts: list[int] = []

    def work() -> None:
        folder = fetch_folder(server.url("set.tar.gz"), tmp_path / "set.tar.gz", tmp_path / "set", inner="inner")
        counts.append(len(list(folder.iterdir())))

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [200] * 5
    assert server.ranges == [""]
    assert nothing_left_beside(tmp_path / "set")
