"""autograd.config: choices take effect, are checked, and leave BLAS as it was."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

import autograd
from autograd import config
from autograd.kernels import _machine, matmul
from autograd.kernels._blas import openblas
from autograd.kernels._threads import cores, in_threads, thread_count

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="Numba is not installed"
)
needs_openblas = pytest.mark.skipif(openblas() is None, reason="NumPy uses another BLAS")


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith("GLASSGRAD_")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**keep, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_choices_hold_for_a_block():
    before = config.kernels, config.convolution, config.threads
    with config(kernels="numpy", convolution="direct", threads=3) as inside:
        assert inside is config
        assert (config.kernels, config.convolution, config.threads) == ("numpy", "direct", 3)
        assert config.kernels_in_use == "numpy"
        assert thread_count() == 3
    assert (config.kernels, config.convolution, config.threads) == before


def test_choices_are_restored_after_an_error():
    before = config.convolution
    with pytest.raises(ZeroDivisionError), config(convolution="winograd"):
        _ = 1 / 0
    assert config.convolution == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kernels", "cuda", "'auto', 'numpy', 'numba'"),
        ("convolution", "fft", "'auto', 'direct', 'winograd'"),
        ("threads", 0, "from 1 on"),
        ("threads", "two", "from 1 on"),
    ],
)
def test_wrong_choices_say_what_is_allowed(name, value, message):
    before = getattr(config, name)
    with pytest.raises(ValueError, match=message):
        setattr(config, name, value)
    assert getattr(config, name) == before
    with pytest.raises(TypeError, match="no speed"), config(speed=11):
        pass


def test_the_environment_chooses():
    shown = run(
        "import autograd; c = autograd.config; print(c.kernels, c.convolution, c.threads)",
        GLASSGRAD_KERNELS="numpy",
        GLASSGRAD_CONVOLUTION="winograd",
        GLASSGRAD_NUM_THREADS="5",
    )
    assert shown.stdout.split() == ["numpy", "winograd", "5"]
    wrong = run("import autograd", GLASSGRAD_KERNELS="gpu")
    assert "GLASSGRAD_KERNELS must be one of auto, numpy, numba" in wrong.stderr
    for threads in ("0", "two"):
        wrong = run("import autograd", GLASSGRAD_NUM_THREADS=threads)
        assert f"GLASSGRAD_NUM_THREADS must be a number from 1 on, got '{threads}'" in wrong.stderr


def test_it_shows_itself():
    with config(kernels="numpy"):
        lines = repr(config).splitlines()
    assert [line.split()[0] for line in lines] == [
        "kernels",
        "convolution",
        "threads",
        "BLAS",
        "memory",
    ]
    assert "numpy" in lines[0]


def test_without_numba_it_says_so():
    program = (
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'numba' else real(name, *a)\n"
        "import autograd\n"
        "print(autograd.config.doctor()); print(autograd.config.kernels_in_use)\n"
        "autograd.config.kernels = 'numba'"
    )
    done = run(program)
    assert "Kernels are NumPy's: Numba is not installed" in done.stdout
    assert done.stdout.split()[-1] == "numpy"
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .startswith("RuntimeError: compiled kernels were asked for, but Numba is not installed")
    )


@needs_numba
def test_without_openmp_it_falls_back():
    program = (
        "import sys; sys.modules['numba.np.ufunc.omppool'] = None\n"
        "sys.modules['numba.np.ufunc.tbbpool'] = None\n"
        "import numpy as np, autograd; from autograd.kernels import matmul\n"
        "a = np.ones((99, 99)); print(matmul(a, a)[0, 0], autograd.config.kernels_in_use)\n"
        "print(autograd.config.doctor())"
    )
    done = run(program)
    assert done.stdout.split()[:2] == ["99.0", "numpy"]
    assert "OpenMP is missing" in done.stdout


@needs_numba
@needs_openblas
def test_compiled_kernels_keep_blas_to_one_thread_while_they_are_in_use():
    program = (
        "import autograd; from autograd.kernels._blas import openblas; b = openblas()\n"
        "c = autograd.config; n = [b.get_threads()]\n"
        "c.kernels = 'numba'; n.append(b.get_threads())\n"
        "c.kernels = 'numpy'; n.append(b.get_threads())\n"
        "with c(kernels='numba', threads=1): n.append(b.get_threads())\n"
        "n.append(b.get_threads()); print(*n)"
    )
    done = run(program, OPENBLAS_NUM_THREADS="2")
    assert done.stdout.split() == ["2", "1", "2", "1", "2"], done.stderr


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_uses_numpy():
    program = (
        "import os, sys, warnings; warnings.simplefilter('ignore')\n"
        "import numpy as np, autograd; from autograd.kernels import matmul\n"
        "a = np.ones((200, 200), np.float32); matmul(a, a)\n"
        "assert autograd.config.kernels_in_use == 'numba'\n"
        "if os.fork() == 0:\n"
        "    print(matmul(a, a)[0, 0], autograd.config.kernels_in_use, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    )
    assert run(program, GLASSGRAD_KERNELS="numba").stdout.split() == ["200.0", "numpy"]


def test_tune_and_doctor():
    program = (
        "import autograd; c = autograd.config\n"
        "print('memory' if 'Freed memory' in repr(c.doctor()) else 'fine')\n"
        "print(*c.tune(), sep='; ')\n"
        "print('memory' if 'Freed memory' in repr(c.doctor()) else 'fine')\n"
        "print(repr(c).splitlines()[-1]); import gc; print(gc.get_threshold()[0], gc.isenabled())"
    )
    lines = run(program).stdout.splitlines()
    assert "garbage collector" in lines[1]
    assert lines[-1] == "500000 True"
    if not _machine.can_keep_freed_memory():
        assert lines[0] == lines[2] == "fine"
    else:
        assert lines[0] == "memory"
        assert lines[1].startswith("freed memory is kept")
        assert lines[-3:-1] == ["fine", "memory       kept when freed"]
        tuned = run("import autograd; print(autograd.config)", GLASSGRAD_TUNE="1")
        assert tuned.stdout.rstrip().endswith("kept when freed")
        assert tuned.stderr == ""


@needs_openblas
def test_a_processor_with_avx512_is_told(monkeypatch):
    flags = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd", "avx2"}
    monkeypatch.setattr(_machine, "_processor_flags", lambda: flags)
    blas = openblas()
    assert blas is not None
    monkeypatch.setattr(type(blas), "core", property(lambda self: "Haswell"))
    assert "OPENBLAS_CORETYPE=SkylakeX" in repr(config.doctor())
    monkeypatch.setattr(type(blas), "core", property(lambda self: "SkylakeX"))
    assert "AVX-512" not in repr(config.doctor())


@needs_openblas
def test_openblas_changes_its_kernels_and_computes_the_same():
    program = (
        "import numpy as np; from autograd.kernels._blas import openblas; b = openblas()\n"
        "a = np.random.default_rng(0).random((50, 50)); y = a @ a; before = b.core\n"
        "other = 'Nehalem' if before != 'Nehalem' else 'Sandybridge'\n"
        "b.switch_core(other); print(b.core == other, np.allclose(a @ a, y, 1e-12))\n"
        "b.switch_core(before); print(b.core == before, np.array_equal(a @ a, y))"
    )
    done = run(program)
    if "cannot change its kernels" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.stdout.split() == ["True"] * 4, done.stderr


# ---------------------------------------------------------------------------------------- threads


def test_pieces_run_once_each_and_errors_come_out():
    for threads in (1, 2, 4):
        with config(threads=threads):
            done = np.zeros(7, int)

            def work(i: int, done: np.ndarray = done) -> None:
                done[i] += 1

            in_threads(work, range(7))
            assert done.tolist() == [1] * 7

            def fail(i: int) -> None:
                if i == 5:
                    raise KeyError(i)

            with pytest.raises(KeyError, match="5"):
                in_threads(fail, range(7))


def test_threads_know_the_callers_error_handling():
    def divide(i: int) -> None:
        np.ones(3) / np.zeros(3)

    with config(threads=3), np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        in_threads(divide, [0, 1, 2])
    with config(threads=3), np.errstate(divide="ignore"):
        in_threads(divide, [0, 1, 2])


def test_work_within_work_takes_turns():
    order: list[tuple[int, int]] = []

    def outer(i: int) -> None:
        in_threads(lambda j: order.append((i, j)), [0, 1])

    with config(threads=2):
        in_threads(outer, [0, 1])
    assert sorted(order) == [(0, 0), (0, 1), (1, 0), (1, 1)]


@needs_openblas
def test_blas_keeps_to_one_thread_while_kernels_use_their_own():
    program = (
        "import autograd; from autograd.kernels._blas import openblas; b = openblas()\n"
        "from autograd.kernels._threads import in_threads; n = [b.get_threads()]\n"
        "in_threads(lambda i: None, [0, 1]); n.append(b.get_threads())\n"
        "n.append(autograd.config.threads)\n"
        "with autograd.config(threads=1): n.append(b.get_threads())\n"
        "in_threads(lambda i: None, [0, 1]); n.append(b.get_threads()); print(*n)"
    )
    done = run(program, OPENBLAS_NUM_THREADS="2", GLASSGRAD_KERNELS="numpy")
    expected = ["2", "1", "2", "2", "1"] if cores() > 1 else ["2", "2", "1", "2", "2"]
    assert done.stdout.split() == expected, done.stderr


@needs_openblas
def test_blas_is_held_back_where_products_are_small():
    program = (
        "import numpy as np, autograd.kernels as k; from autograd.kernels._blas import openblas\n"
        "b = openblas(); n = []\n"
        "w = np.ones((64, 32, 5))\n"
        "for length in 1600, 32:  # 20 million multiplications, columns included; and few\n"
        "    k.conv(np.ones((1, 32, length)), w, (1,), ((2, 2),), (1,), 1)\n"
        "    n.append(b.get_threads())\n"
        "print(*n)"
    )
    done = run(program, OPENBLAS_NUM_THREADS="2", GLASSGRAD_KERNELS="numpy")
    assert done.stdout.split() == ["2", "1" if cores() > 1 else "2"], done.stderr


@pytest.mark.parametrize("kernels", ["numpy", pytest.param("numba", marks=needs_numba)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i8"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (128, 300, 70), (70, 300, 128), (0, 3, 2), (2, 0, 3)])
def test_products_are_those_of_numpy(kernels, dtype, shape):
    rng = np.random.default_rng(0)
    m, k, n = shape
    a, b = (rng.integers(-3, 4, size).astype(dtype) for size in ((m, k), (k, n)))
    with autograd.config(kernels=kernels, threads=2):
        for x in (a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]):
            for y in (b, np.asfortranarray(b)):
                product = matmul(x, y)
                assert product.dtype == (a @ b).dtype
                np.testing.assert_array_equal(product, a @ b)
