import gzip
import hashlib
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datamodules
from benchmarks.machine import timing_lock
from datamodules import DataError, ImageDataset
from datamodules.sources import cache, cifar10
from datamodules.sources import fashion_mnist as fashion_mnist_files
from datamodules.sources.image_folder import decode

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def committed_results() -> Path:
    """The results that came with the code, if they are as they came."""
    command = ["git", "status", "--porcelain", "--", "results/reference"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0 or done.stdout:
        pytest.skip("results/reference/ is not as it was committed")
    return ROOT / "results" / "reference"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    return Path(os.environ.get("DATA_DIR", ROOT / "data"))


@pytest.fixture(scope="session")
def fashion_mnist(data_dir) -> ImageDataset:
    """The real Fashion-MNIST, fetched if need be."""
    try:
        return datamodules.load("fashion_mnist", data_dir)
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory) -> Path:
    """CIFAR-10 in small: 32 px PNG files by class, each class a colour of its own under noise."""
    folder = tmp_path_factory.mktemp("images") / "cifar10"
    random = np.random.default_rng(0)
    for label, name in enumerate(cifar10.CLASSES):
        for split, count in (("train", 8), ("test", 4)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 60, (32, 32, 3)) + np.array([20 * label, 90, 190])
                image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                image.save(folder / split / name / f"{number:04}.png")
    return folder


@pytest.fixture(scope="session")
def small_dataset(image_folder) -> ImageDataset:
    """The images of `image_folder`, decoded: 80 to train on and 40 to test on."""
    decoded = decode(image_folder, cifar10.CLASSES, size=32)
    return ImageDataset(
        name="cifar10",
        source="CIFAR-10 in small",
        digest=cache.digest(decoded),
        classes=cifar10.CLASSES,
        mean=cifar10.MEAN,
        std=cifar10.STD,
        **{name: decoded[name] for name in cache.TENSORS},
    )


@pytest.fixture
def write_fashion_mnist(tmp_path, monkeypatch):
    """Writes Fashion-MNIST in small: files in the real format, whose hashes are the right ones."""

    def write(images: np.ndarray, labels: list[int]) -> Path:
        folder = tmp_path / "FashionMNIST" / "raw"
        folder.mkdir(parents=True)
        hashes = {}
        for name in fashion_mnist_files.FILES:
            if "images" in name:
                content = struct.pack(">IIII", 0x803, *images.shape) + images.tobytes()
            else:
                content = struct.pack(">II", 0x801, len(labels)) + bytes(labels)
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            hashes[name] = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(fashion_mnist_files, "FILES", hashes)
        return tmp_path

    return write


@pytest.fixture
def small_fashion_mnist(write_fashion_mnist) -> Path:
    """A data folder with 30 garments: each class a square of its own size and brightness."""
    labels = [*range(10)] * 3
    images = np.zeros((30, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[12 - label : 13 + label, 12 - label : 13 + label] = 70 + 20 * label
    return write_fashion_mnist(images, labels)


@pytest.fixture
def start_node(tmp_path, image_folder):
    """Starts a run of LeNet on one of several nodes, each with a results folder of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fields = {"image_size": 32, "epochs": 2, "batch_size": 16, "train_examples": "null"}
    fields |= {"precision": "32-true"}  # what `auto` is depends on the CPU, and is said
    processes = []

    def start(rank: int, *arguments: str, **others: object) -> subprocess.Popen:
        run = ["run", "--models=lenet", "--dataset=cifar10", "--protocol=quick", *arguments]
        run += [f"--protocol.{name}={value}" for name, value in (fields | others).items()]
        environment = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "NODE_RANK": str(rank),
            "OMP_NUM_THREADS": "1",  # sums are taken in an order that depends on it
            "CIFAR10_IMAGES": str(image_folder),
            timing_lock.VARIABLE: str(tmp_path / f"lock-of-node-{rank}"),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks", *run, f"--results={tmp_path / str(rank)}"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session", autouse=True)
def _own_timing_lock(tmp_path_factory):
    """Tests neither wait for the sweeps of others, nor hold these up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(timing_lock.VARIABLE, str(tmp_path_factory.mktemp("lock") / "lock"))
        yield


@pytest.fixture(autouse=True)
def _same_random_numbers():
    torch.manual_seed(0)
