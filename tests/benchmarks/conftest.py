import time
from types import SimpleNamespace

import pytest
import torch

from benchmarks.execution import processes
from benchmarks.machine import accelerator as accelerators
from benchmarks.measurement import calibration, loop_timings
from benchmarks.planning.placement import Placement
from benchmarks.planning.plan import plan
from benchmarks.planning.protocol import Protocol
from benchmarks.planning.sweep_config import SweepConfig
from benchmarks.run import train
from benchmarks.training.training import Training, serve
from lit_models import CLASSIFICATION
from tests.benchmarks.results import make_results  # noqa: F401, a fixture

CPU = Placement(device="cpu")


@pytest.fixture(scope="session", autouse=True)
def _server_of_processes(image_folder):
    """Processes of runs inherit the environment in which their server started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIFAR10_IMAGES", str(image_folder))
        processes.context()


@pytest.fixture(autouse=True)
def _short_timings(monkeypatch):
    """What is timed is kept short in this process; no test here judges a speed."""
    monkeypatch.setattr(calibration, "SECONDS", 0.0)
    monkeypatch.setattr(loop_timings, "ROUNDS", 2)


@pytest.fixture
def small_data(monkeypatch, image_folder):
    """CIFAR-10 is `image_folder`."""
    monkeypatch.setenv("CIFAR10_IMAGES", str(image_folder))


@pytest.fixture
def make_spec(small_data, small_dataset):
    """Makes the RunSpec of a small training of one model, with protocol fields overridden."""

    def make(model="lenet", seed=0, placement=CPU, **fields):
        fields = {
            "image_size": 32,
            "epochs": 2,
            "batch_size": 16,
            "train_examples": "null",
            "precision": "32-true",
        } | fields
        overrides = {name: str(value) for name, value in fields.items()}
        config = SweepConfig(
            models=(model,),
            dataset="cifar10",
            protocol=Protocol.load("quick", overrides),
            protocol_name="small",
            placement=placement,
            seeds=(seed,),
        )
        (spec,) = plan(config.resolved(), small_dataset)
        return spec

    return make


@pytest.fixture
def make_training(make_spec, small_dataset):
    """Makes the Training of a net on 80 images, with protocol fields overridden."""

    def make(net, micro_batch_size=None, device="cpu", **fields):
        protocol = make_spec(**fields).protocol
        data = serve(small_dataset, torch.device(device), protocol)
        return Training(net, CLASSIFICATION, 10, protocol, data, micro_batch_size)

    return make


@pytest.fixture
def accelerator(monkeypatch):
    """The CPU plays an accelerator: what is asked of `torch.accelerator`, in order.

    Among it stands `time` for every reading of the clock that rates are made from.
    """
    events = []
    figures = {"memory_allocated": 100 * 2**20, "max_memory_allocated": 350 * 2**20}

    def recorded(name, result=None):
        def record(*args):
            assert all(torch.device(arg) == torch.device("cpu") for arg in args)
            events.append(name)
            return result

        return record

    def read_clock():
        events.append("time")
        return time.perf_counter()

    monkeypatch.setattr(
        torch.accelerator, "current_accelerator", lambda *args, **kwargs: torch.device("cpu")
    )
    for name in ("synchronize", "empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.accelerator, name, recorded(name))
    for name, figure in figures.items():
        monkeypatch.setattr(torch.accelerator, name, recorded(name, figure))
    # Adam asks whether its steps are being captured as a graph.
    stream = SimpleNamespace(is_capturing=lambda: False)
    monkeypatch.setattr(torch.accelerator, "current_stream", lambda *args: stream)
    # An accelerator has random numbers of its own, which the CPU's stand for.
    monkeypatch.setattr(
        torch.cpu, "get_rng_state", lambda device: torch.get_rng_state(), raising=False
    )
    monkeypatch.setattr(
        torch.cpu, "set_rng_state", lambda state, device: torch.set_rng_state(state), raising=False
    )
    monkeypatch.setattr(accelerators, "time", SimpleNamespace(perf_counter=read_clock))
    return events


class InThisProcess:
    """Carries out runs where the small dataset is known to be the right one."""

    jobs, timing = 1, True

    def __init__(self, options):
        self.options = options
        self.ended = []

    def start(self, spec, checkpoint, previous=None):
        self.ended.append((spec, train(spec, self.options, previous=previous)))

    def wait(self, seconds):
        ended, self.ended = self.ended, []
        return ended

    def occupied(self):
        return None

    def stages(self):
        return {}

    def kill(self):
        pass


@pytest.fixture
def in_this_process(monkeypatch):
    """Runs are carried out in this process."""
    monkeypatch.setattr("benchmarks.execution.local.LocalExecutor", InThisProcess)
    monkeypatch.setattr("benchmarks.measurement.loop_timings.ROUNDS", 1)
