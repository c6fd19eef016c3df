"""What a person asked for: checked here, in one place, before anything is planned.

Most fields are options of the command line too, and their help and default stand here.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import datamodules
from benchmarks.errors import UsageError, check_known
from benchmarks.planning.checks import check_budget, check_dataset, check_task
from benchmarks.planning.options import (
    CSV,
    LOGGERS,
    Once,
    check_above_zero,
    check_installed,
    check_logger,
    option,
    read_duration,
    read_folder,
    read_seeds,
    read_switch,
)
from benchmarks.planning.placement import DDP, Placement
from benchmarks.planning.protocol import AUTO, Protocol
from benchmarks.planning.variation import Variation, split
from datamodules import DatasetRequest, ImageDataset

EXECUTORS = ("local", "ray")

# Fields of `SweepConfig` that tell how runs are carried out; studies that train take them too.
STUDY_OPTIONS = ("executor", "jobs", "timeout", "checkpoint_seconds", "no_timing")


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A sweep as asked for; `models` may hold wildcards until it is resolved.

    Args:
        protocol: the recipe; None: `quick` on a CPU, `standard` on an accelerator.
        protocol_name: names the folder of results.
        overrides: fields of the protocol that are overridden, as YAML text.
        placement: devices of a run.
        named: of the models of a resolved sweep, those that no wildcard stands for.

    Raises:
        UsageError: a value that cannot be served.
    """

    named: frozenset[str] = frozenset()
    models: tuple[str, ...] = option(
        "all, names, wildcards, names with options such as lenet[padding=0]; by commas",
        ("all",),
        type=split,
    )
    dataset: str = option(
        f"{', '.join(datamodules.NAMES)}, or a folder or archive of images", "fashion_mnist"
    )
    skip_damaged: bool = option(
        "leave images of one's own out that cannot be read", False, action="store_true"
    )
    protocol: Protocol | None = None
    protocol_name: str = AUTO
    overrides: dict[str, str] = field(default_factory=dict)
    vary: Variation | None = option(
        "a field of the protocol and its values, such as batch_size=16,64,256",
        None,
        type=Variation.parse,
        action=Once,
    )
    placement: Placement = field(default_factory=Placement)
    seeds: tuple[int, ...] = option(
        "whole numbers, by commas; a run for each", (0,), type=read_seeds
    )
    budget: float | None = option(
        "time for the sweep, such as 90s, 15m or 1h30m: trains on as many examples as fit into it",
        None,
        type=read_duration,
    )
    executor: str = option(", ".join(EXECUTORS), "local")
    jobs: int | None = option(
        "runs at a time on a machine; by default 1, with ray one a GPU", None, type=int
    )
    timeout: float | None = option("seconds a run may take", None, type=float)
    checkpoint_seconds: float = option("between checkpoints within an epoch", 30.0, type=float)
    keep_weights: bool = option(
        "true or false: keep the trained weights, in weights/", True, type=read_switch
    )
    logger: str = option(f"{', '.join(LOGGERS)}: where runs are shown too", CSV)
    no_timing: bool = option(
        "train and test only; the columns of timed loops stay empty", False, action="store_true"
    )
    force: bool = option("do again what has finished", False, action="store_true")
    results: Path = option("folder, or URL such as s3://bucket/results", Path("results"))
    data_dir: Path = option(
        "folder of datasets", read_folder(os.environ.get("DATA_DIR", "data")), type=read_folder
    )

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("--models names nothing")
        check_dataset(self.dataset)
        if self.vary and self.vary.field == "fit":
            raise UsageError("--vary fit is not served: all runs of a sweep share their images")
        check_known("executor", self.executor, EXECUTORS)
        check_logger(self.logger, self.results)
        if self.executor != "local" and self.placement.ranks > 1:
            raise UsageError("several devices can share a run only with --executor local")
        check_above_zero(jobs=self.jobs, timeout=self.timeout, budget=self.budget)
        check_budget(self)
        if not self.checkpoint_seconds >= 0:
            raise UsageError("--checkpoint-seconds must be at least 0")
        if self.placement.num_nodes > 1 and self.jobs not in (None, 1):
            raise UsageError("--jobs must be 1 where several nodes share a run")
        if self.placement.num_nodes > 1 and self.no_timing:
            raise UsageError("--no-timing serves runs on one machine; several nodes time each run")
        if self.vary:
            if self.vary.field in self.overrides:
                raise UsageError(f"{self.vary.field} is both varied and overridden: drop one")
            if self.protocol:
                self.vary.protocols(self.protocol)
        for seed in self.seeds:
            if not 0 <= seed < 2**32:
                raise UsageError(f"seed {seed} is not a whole number from 0 to 2**32 - 1")

    @property
    def folder(self) -> Path:
        """The folder of this comparison's results."""
        return self.results / datamodules.folder_name(self.dataset) / self.title

    @property
    def title(self) -> str:
        """The name of a resolved sweep: of its protocol, with the field that is varied."""
        if self.vary is None or self.protocol is None:
            return self.protocol_name
        return self.vary.title(self.protocol, self.protocol_name)

    @property
    def data(self) -> DatasetRequest:
        """The dataset of a resolved sweep.

        Images of one's own are decoded at the largest size that a run takes, so that all runs are
        trained on the same data.
        """
        if not datamodules.is_path(self.dataset):
            return DatasetRequest(self.dataset)
        first, *_ = recipes = self.recipes
        sizes = [own.image_size for recipe in recipes for own in recipe.models.values()]
        return DatasetRequest(
            str(DatasetRequest(self.dataset).path),
            image_size=max(sizes or [recipe.image_size for recipe in recipes]),
            fit=first.fit,
            skip_damaged=self.skip_damaged,
        )

    def resolved(self) -> "SweepConfig":
        """The same sweep with device, protocol and models decided.

        Raises:
            ModelError: no such model, or images too small for it.
            UsageError: a combination that cannot be served.
        """
        import lit_models

        if self.executor == "ray" and find_spec("ray") is None:
            raise UsageError("the executor ray needs Ray; install it by `pip install ray`")
        check_installed(self.logger)
        placement = self.placement.resolved(self.executor)
        protocol, name = self.protocol, self.protocol_name
        if protocol is None:
            name = "quick" if placement.device == "cpu" else "standard"
            protocol = Protocol.load(name, self.overrides)
            name = protocol.title(name, self.overrides)
        task = datamodules.task(self.dataset)
        models = tuple(lit_models.select(self.models, protocol.models or None, task))
        for listed in protocol.models:
            if "[" in listed and (canonical := lit_models.entry(listed).name) != listed:
                raise UsageError(f"the protocol lists {listed!r}; list it as {canonical!r}")
        plain = [each for each in self.models if not set("*?") & set(each.partition("[")[0])]
        named = lit_models.select(plain, protocol.models or None, task)
        resolved = replace(
            self,
            models=models,
            named=frozenset(named),
            protocol=protocol,
            protocol_name=name,
            placement=placement,
        )

        def check(model: str) -> None:
            check_task(model, self.dataset)
            for own in resolved.settings(model):
                lit_models.check_image_size(model, own.image_size)

        resolved = resolved.fitting(check)
        compiles = any(recipe.compile for recipe in resolved.recipes)
        if compiles and placement.strategy == DDP:
            # DDP and SyncBatchNorm change a net after it was compiled.
            raise UsageError("strategy ddp, and so several devices, cannot train a compiled net")
        return resolved

    @property
    def recipes(self) -> list[Protocol]:
        """The protocols of a resolved sweep: one, or one for each value of the varied field."""
        if self.protocol is None:
            raise ValueError("the protocol of this sweep is not resolved")
        return self.vary.protocols(self.protocol) if self.vary else [self.protocol]

    def settings(self, model: str) -> list[Protocol]:
        """The settings that one model is trained with: one, or one for each value that varies."""
        return [recipe.for_model(model) for recipe in self.recipes]

    def fitted_to(self, dataset: ImageDataset) -> "SweepConfig":
        """The same sweep; of images of one's own all are trained on if `train_examples` is more."""
        protocol = self.protocol
        if not datamodules.is_path(self.dataset) or protocol is None:
            return self
        held_out = max(recipe.validation_examples for recipe in self.recipes)
        if (protocol.train_examples or 0) <= len(dataset.train_labels) - held_out:
            return self
        return replace(self, protocol=replace(protocol, train_examples=None, subset="fixed"))

    def fitting(self, check: Callable[[str], None]) -> "SweepConfig":
        """Check every model, and leave out those of wildcards that do not fit, with a line each.

        Raises:
            ModelError: a model that was named does not fit, or none does.
        """
        import lit_models

        kept: list[str] = []
        misfits: list[Exception] = []
        for model in self.models:
            try:
                check(model)
                kept.append(model)
            except lit_models.ModelError as error:
                if model in self.named:
                    raise
                misfits.append(error)
        if misfits and not kept:
            raise misfits[0]
        for misfit in misfits:
            print(f"benchmarks: left out: {misfit}", file=sys.stderr)
        return replace(self, models=tuple(kept))

    def check_data(self, dataset: ImageDataset) -> "SweepConfig":
        """The same sweep, without models of wildcards that do not fit these examples.

        Raises:
            ModelError: a net of another library that does not fit the images or classes.
            UsageError: fewer examples than the protocol takes, or batches too small for the ranks.
        """

        def check(model: str) -> None:
            for settings in self.settings(model):
                self._check_data(model, settings, dataset)

        return self.fitting(check)

    def _check_data(self, model: str, settings: Protocol, dataset: ImageDataset) -> None:
        import lit_models

        settings.check_examples(len(dataset.train_labels), dataset.name)
        held_out = settings.validation_examples
        examples = settings.train_examples or len(dataset.train_labels) - held_out
        batch, ranks = min(settings.batch_size, examples), self.placement.ranks
        if ranks > 1 and batch < 2 * ranks:
            raise UsageError(
                f"{model} has batches of {batch} examples, too few for {ranks} devices: "
                "each needs two or more"
            )
        lit_models.check(
            model,
            in_channels=dataset.channels,
            num_classes=len(dataset.classes),
            image_size=settings.image_size,
        )
