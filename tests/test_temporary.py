import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
import os
import numpy as np
import explorer
from conftest import Toy
from explorer.capture.model import Model

run = explorer.capture(Model(Toy(), "toy", "toy"), np.zeros((3, 8, 8, 1), "f"), layers=["half"])
assert explorer.open_run(run.path).n_images == 3
if os.fork() == 0:
    sys.exit(0)  # a fork that ends must not take the folder with it
os.wait()
assert run["half"].values.shape == (3, 4, 4, 5)
print(run.path)
"""


def test_a_run_that_nobody_named_is_gone_when_python_ends() -> None:
    words = [sys.executable, "-W", "ignore", "-c", CODE, str(Path(__file__).parent)]
    path = Path(subprocess.check_output(words, text=True).strip())
    assert path.name.startswith("activation-explorer-")
    assert not path.exists()
