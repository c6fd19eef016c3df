"""Where one run takes place: on how many devices, of which type, on how many nodes."""

from dataclasses import dataclass, replace

from benchmarks.errors import UsageError, check_known
from benchmarks.planning.options import check_above_zero, option

DEVICES = ("auto", "cpu", "cuda", "mps")

# SINGLE_DEVICE: one process. DDP: a process for each device (DistributedDataParallel).
SINGLE_DEVICE, DDP = "single_device", "ddp"
STRATEGIES = ("auto", SINGLE_DEVICE, DDP)


@dataclass(frozen=True)
class Placement:
    """The devices of one run; `device` and `strategy` are `auto` until they are resolved.

    Raises:
        UsageError: an unknown name, or a number below 1.
    """

    device: str = option(f"{', '.join(DEVICES)}; cuda:1 is the second GPU", "auto")
    devices: int = option("devices of each node for one run", 1, type=int)
    num_nodes: int = option("machines for one run", 1, type=int)
    strategy: str = option(", ".join(STRATEGIES), "auto")

    def __post_init__(self) -> None:
        check_known("device", self.device, DEVICES)
        check_known("strategy", self.strategy, STRATEGIES)
        check_above_zero(devices=self.devices, num_nodes=self.num_nodes)

    @property
    def ranks(self) -> int:
        """Number of processes that train one net together."""
        return self.devices * self.num_nodes

    def resolved(self, executor: str = "local") -> "Placement":
        """The placement on this machine, or on the cluster, with device and strategy decided.

        Raises:
            UsageError: this machine lacks the devices, or the strategy cannot use them.
        """
        from benchmarks.machine.environment import check_devices, resolve_device

        device, strategy = self.device, self.strategy
        # A cluster may have a device that this machine lacks.
        if executor == "local" or device == "auto":
            device = resolve_device(device)
        if strategy == "auto":
            strategy = DDP if self.ranks > 1 else SINGLE_DEVICE
        if strategy == SINGLE_DEVICE and self.ranks > 1:
            raise UsageError("several devices need --strategy ddp")
        if strategy == DDP and device == "mps":
            raise UsageError("strategy ddp works on cpu and cuda, not on mps")
        if executor == "local":
            check_devices(device, self.devices)
        return replace(self, device=device, strategy=strategy)
