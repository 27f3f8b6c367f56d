"""A contestant's process: what it answers, with this library as the contestant."""

from __future__ import annotations

from benchmarks.worker import Worker


def test_a_workload_is_built_timed_and_weighed():
    worker = Worker()
    modules = ["autograd", "nn", "optim"]
    built = worker.build("mlp", "2-16-16-2, batch 100", "glassgrad", modules)
    assert 0 < built["value"] < 2  # cross-entropy of two classes
    assert built["growth_bytes"] is None
    assert set(built["seconds"]) == {"import", "build", "first"}
    turn = worker.turn(seconds=0.02, least=4, warm_up=1)
    assert len(turn["times"]) >= 4
    assert min(turn["times"]) > 0


def test_a_turn_does_not_insist_on_long_steps():
    worker = Worker()
    calls: list[int] = []

    def step() -> None:
        calls.append(sum(range(200_000)))

    worker.step = step
    assert len(worker.turn(seconds=1e-6, least=1000, warm_up=1000)["times"]) == 1
    assert len(calls) == 2  # one to warm up


def test_growth_is_that_of_a_step():
    # Where the system tells: the activations of batch 128 are 1 MiB, gradients 2 MiB.
    built = Worker().build("memory", "mlp, batch 128", "glassgrad", ["autograd"])
    growth = built["growth_bytes"]
    assert growth is None or 0 < growth < 64 * 2**20
