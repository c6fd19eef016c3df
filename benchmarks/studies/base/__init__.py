"""What all studies share: settings, key, storage, table, verdict and overview."""

from benchmarks.studies.base.study import Column, Context, Study, by_model
from benchmarks.studies.base.trained_nets_study import TrainedNetsStudy, TrainedRun
from benchmarks.studies.base.training_study import TrainingSettings, TrainingStudy
from benchmarks.studies.base.verdict import Verdict

__all__ = [
    "Column",
    "Context",
    "Study",
    "TrainedNetsStudy",
    "TrainedRun",
    "TrainingSettings",
    "TrainingStudy",
    "Verdict",
    "by_model",
]
