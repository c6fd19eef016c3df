import socket
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import cli
from benchmarks.errors import UsageError
from benchmarks.records import fetched as module
from benchmarks.records.fetched import fetched
from benchmarks.records.store import RecordStore, load

NETS = {"lenet": [0.80, 0.803], "convnet[first_layer_filters=8]": [0.85, 0.849]}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def results(make_results, tmp_path):
    make_results(tmp_path / "site" / "results", NETS)
    return tmp_path / "site" / "results"


@pytest.fixture
def url(results):
    """Of a server of files, which lists `results` and what lies beside it."""
    handler = partial(Quiet, directory=str(results.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def kept(folder):
    """Names and contents of what conclusions are drawn from."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.parent.name in ("runs", "predictions")
    }


def pack(folder, above, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, above)
    return path


@pytest.mark.parametrize("end", ["/results", "/results/"])
def test_a_folder_that_a_server_lists_is_what_it_is_there(results, url, end):
    with fetched(url + end) as folder:
        assert kept(folder) == kept(results)
        assert len(kept(folder)) == 8
    assert not folder.exists()


def test_an_archive_of_results_or_of_a_comparison_may_have_folders_around_it(results, url):
    pack(results, "repository-main/results", results.parent / "all.tar.gz")
    (comparison,) = RecordStore(results).folders()
    pack(comparison, "quick", results.parent / "one.tgz")
    for name in (f"{url}/all.tar.gz?raw=1", str(results.parent / "all.tar.gz")):
        with fetched(name) as folder:
            assert kept(folder) == kept(results)
    with fetched(f"{url}/one.tgz") as folder:
        assert kept(folder) == kept(comparison)
        assert len(load(folder)) == 4


def test_nothing_is_unpacked_outside_of_a_temporary_folder(results, tmp_path):
    record = next(results.rglob("runs/*.json"))
    outside = tmp_path / "outside"
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        for name in ("../" * 9 + str(outside), str(outside), "d/p"):
            archive.writestr(f"{name}/runs/a.json", record.read_bytes())
        archive.writestr("d/p/runs/run.sh", "")
    with fetched(str(tmp_path / "slip.zip")) as folder:
        assert list(folder.rglob("runs/a.json"))
        assert not list(folder.rglob("run.sh"))
    assert not outside.exists()


def test_a_url_that_serves_no_results_is_refused_in_one_line(results, url, monkeypatch, capsys):
    (results.parent / "empty").mkdir()
    (results.parent / "damaged.zip").write_bytes(b"no archive")
    monkeypatch.setattr(module, "STALLED_SECONDS", 2.0)
    refused = {
        f"{url}/empty": "no records at",
        f"{url}/nowhere": "nothing is there",
        f"{url}/nowhere.zip": "nothing is there",
        f"{url}/damaged.zip": "is damaged",
        "http://127.0.0.1:1/results": "cannot be read: Cannot connect",
        "gopher://127.0.0.1/results": "cannot be opened",
    }
    for name, why in refused.items():
        with pytest.raises(UsageError, match=why), fetched(name):
            pass
    assert cli.main(["compare", str(results), f"{url}/nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"http://127.0.0.1:{silent.getsockname()[1]}/results"
        with pytest.raises(UsageError, match="cannot be read: .*[Tt]imeout"), fetched(name):
            pass


def test_results_behind_a_url_are_compared_as_a_folder_is(results, url, capsys):
    assert cli.main(["compare", f"{url}/results", str(results)]) == 0
    assert capsys.readouterr().out.endswith("no difference beyond noise\n")
