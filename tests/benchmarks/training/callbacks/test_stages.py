import pytest

from benchmarks.training.callbacks import stages
from benchmarks.training.callbacks.stages import StageReports
from benchmarks.training.stage import TESTING, TRAINING
from lit_models import build


@pytest.mark.parametrize("group_size", [1, 2])
def test_every_stage_is_reported_with_the_time_left(make_training, monkeypatch, group_size):
    monkeypatch.setattr(stages, "SECONDS", 0.0)
    training = make_training(build("lenet", in_channels=3, image_size=32))
    training.data.group_size = group_size
    reports = []
    callback = StageReports(10, reports.append, seconds_after=lambda seconds: 100.0 + seconds)
    trainer = training.trainer(
        max_epochs=2, callbacks=[callback], enable_progress_bar=False, enable_checkpointing=False
    )
    module = training.module()
    trainer.fit(module, datamodule=training.data)

    first, *during, last = reports
    assert (first.name, first.done, first.seconds_left) == (TRAINING, 0.0, None)
    assert {stage.name for stage in during} == {TRAINING}
    assert [stage.done for stage in during] == sorted(stage.done for stage in during)
    assert during[-1].done == 1.0
    assert (last.name, last.done) == (TESTING, 1.0)
    assert last.seconds_left == 100.0 + callback.seconds_a_step
    assert all(100.0 < stage.seconds_left < 200.0 for stage in during)
    assert (first.history, last.history) == ((), tuple(module.history))
    assert {len(stage.history) for stage in during} == {0, 1}  # epochs that have ended
    assert during[-1].history == last.history[:1]
