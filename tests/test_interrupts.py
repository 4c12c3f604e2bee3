"""Ctrl-C at any moment ends the program with one line and 130, and the same command then goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import interrupts
from explorer.demo import DIGITS

PROGRAM = [sys.executable, "-m", "explorer"]


def interrupted(words: list[str], after: float) -> tuple[int, str]:
    """Exit code and errors of a command that gets SIGINT some seconds after it has begun to listen."""
    code = (
        "import sys, threading, os, signal, time; from explorer import interrupts; "
        f"threading.Timer({after}, os.kill, (os.getpid(), signal.SIGINT)).start(); "
        "from explorer.__main__ import entry; entry()"
    )
    run = [sys.executable, "-c", code, *words]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.05, 0.2, 0.4, 0.7, 1.0, 1.4, 1.9, 2.5, 3.2, 4.0])
def test_an_interrupted_command_ends_in_one_line_and_can_be_repeated(after: float, tmp_path: Path) -> None:
    images = str(DIGITS.parent / "images")
    words = [
        "explore",
        str(DIGITS),
        images,
        "--method",
        "tsne",
        "--sample",
        "2000",
        "--out",
        str(tmp_path / "run"),
    ]
    code, errors = interrupted(words, after)
    assert "Traceback" not in errors
    assert code in (0, interrupts.CODE), errors
    if code:
        assert errors.endswith(interrupts.LINE)
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    again = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False, env=environment)
    assert again.returncode == 0, again.stderr


def test_what_swallows_the_interrupt_is_ended_all_the_same() -> None:
    code = (
        "from explorer import interrupts; import os, signal, time\n"
        "interrupts.PATIENCE = 0.3\n"
        "interrupts.watch()\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT); time.sleep(1)\n"
        "except KeyboardInterrupt:\n    pass\n"
        "time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == interrupts.CODE
    assert done.stderr == interrupts.LINE


def test_a_second_interrupt_ends_at_once() -> None:
    code = (
        "from explorer import interrupts; import os, signal, time\n"
        "interrupts.PATIENCE = 600\n"
        "interrupts.watch()\n"
        "for _ in range(2):\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
        "    except KeyboardInterrupt:\n        pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (interrupts.CODE, interrupts.LINE)


def test_watching_from_another_thread_leaves_signals_alone() -> None:
    import threading

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupts.watch)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
