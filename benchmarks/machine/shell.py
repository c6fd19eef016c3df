"""What a shell hands to a process: environment variables, and the streams that it prints to."""

import io
import os
import re
import sys
import tempfile
from typing import Any

from benchmarks.errors import UsageError

# Schedulers, launchers, and Lightning's arguments. A run has no processes but those of the suite,
# whatever started the shell. NODE_RANK, MASTER_ADDR and MASTER_PORT stay: execution.rendezvous
# reads them.
_LAUNCHERS = re.compile(
    r"(SLURM|SRUN|PBS|LSB|LSF|JSM|OMPI|PMI|PMIX|MPI|TORCHELASTIC|TPU|XLA|XRT|PJRT|PL|LT)_"
    r"|((LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|ROLE_NAME)$"
)

# Libraries that compute. The protocol and `process_settings` decide how a run computes.
_LIBRARIES = re.compile(
    r"(TORCH|PYTORCH|TORCHINDUCTOR|TORCHDYNAMO|TRITON|ATEN|MKL|DNNL|ONEDNN|MIOPEN)_"
    r"|(CUBLAS|CUBLASLT|CUDNN|ROCBLAS|HIPBLASLT)_|(NVIDIA_TF32_OVERRIDE|CUDA_LAUNCH_BLOCKING)$"
    r"|OMP_(DYNAMIC|THREAD_LIMIT)$"
)
# Where files lie, what is printed, how memory is kept, how hosts are connected. A number of threads
# is recorded, and speeds are timed again when it changes.
_WITHOUT_EFFECT = re.compile(
    r"NUM_THREADS$|(HOME|DIR|PATH|CACHE|LIST|DEBUG)$|LOG|VERBOSE|ALLOC_CONF|WATERMARK|NCCL|GLOO"
    r"|AUTOLOAD|FALLBACK$|THREADING_LAYER$|SERVICE"
)

# The address of a socket has at most 104 bytes on macOS, 108 on Linux; Ray's add 75 to the folder.
_LONGEST_SOCKET_FOLDER = 30
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")

# Tuning for a machine, which is kept, and recorded with the speeds.
_TUNING = re.compile(r"(OMP|KMP|GOMP|MALLOC)_|(LD_PRELOAD|GLIBC_TUNABLES)$|PYTORCH_\w*ALLOC_CONF$")


def clear_variables() -> list[str]:
    """Remove the variables that would change a run without a trace in its record.

    Call it before PyTorch is imported, which reads some of them at once.

    Returns:
        The names of those that libraries of computation would have read.
    """
    found = [name for name in os.environ if _LIBRARIES.match(name)]
    changing = [name for name in found if not _WITHOUT_EFFECT.search(name)]
    for name in [*changing, *filter(_LAUNCHERS.match, list(os.environ))]:
        del os.environ[name]
    return sorted(changing)


def tuning() -> str:
    """The variables that change speeds alone, as `NAME=value NAME=value`."""
    names = (name for name in sorted(os.environ) if _TUNING.match(name))
    return " ".join(f"{n}={os.environ[n]}" for n in names if not n.endswith("NUM_THREADS"))


def open_streams() -> None:
    """Print on, whatever stdout and stderr are: a closed pipe, a full disk, an old encoding.

    What cannot be written is dropped, since a sweep outlives its terminal. Characters that the
    encoding lacks are replaced.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, it stays open
        elif stream is getattr(sys, f"__{name}__"):  # not that of a notebook or a test
            stream.flush()
            file = _Stream(stream.fileno(), "wb", closefd=False)
            text = io.TextIOWrapper(
                io.BufferedWriter(file),
                encoding=stream.encoding,
                errors="backslashreplace" if name == "stderr" else "replace",
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, text)


def gpu(index: int) -> str:
    """The visible GPU with this index, as CUDA_VISIBLE_DEVICES names it for the whole machine.

    Raises:
        UsageError: CUDA_VISIBLE_DEVICES names fewer.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(index)
    names = [name for name in visible.split(",") if name]
    if index >= len(names):
        raise UsageError(f"no device cuda:{index}; CUDA_VISIBLE_DEVICES={visible} has {len(names)}")
    return names[index]


def select_device(device: str) -> str:
    """The type of a device such as `cuda:1`; makes that GPU the only visible one.

    Call it before CUDA is initialised. This process and those it starts then have one GPU, which
    every library takes, as the code of a net may.

    Raises:
        UsageError: CUDA_VISIBLE_DEVICES names fewer.
    """
    kind, _, index = device.partition(":")
    if kind != "cuda" or not index.isdecimal():
        return device
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu(int(index))
    return kind


def socket_folder() -> str:
    """The folder of temporary files, or a shorter one where sockets could not have addresses there.

    Raises:
        UsageError: no folder is writable and short enough.
    """
    try:
        folders = [tempfile.gettempdir(), *_SHORT_FOLDERS]
    except FileNotFoundError as error:
        raise UsageError(f"temporary files cannot be written: {error.strerror}") from None
    for folder in folders:
        if len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER and os.access(folder, os.W_OK):
            return folder
    raise UsageError(
        f"the path of TMPDIR, {folders[0]}, is too long for sockets; set a shorter one"
    )


class _Stream(io.FileIO):
    """A stream that nobody may read: after the first error, what is written is dropped."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return len(content)
