"""The command line: its commands gathered, and what a mistake or Ctrl-C becomes."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from cyclopts import App, CycloptsError

from explorer import interrupts
from explorer.commands import (
    comparing,
    evolving,
    explaining,
    making,
    maximizing,
    publishing,
    reporting,
    showing,
    tracking,
)
from explorer.errors import ExplorerError

EPILOGUE = """MODEL is a model.toml, or activations that stand alone (.npz, .npy, .parquet, zarr).
IMAGES is a folder (sub-folders are labels), a file, a table of files with labels and metadata (.csv,
.parquet), or arrays (.npy, .npz). RUN is what capture wrote.

Shell completion: activation-explorer --install-completion"""

app = App(
    name="activation-explorer",
    help="See what a network has learned, and where: 3D clouds of its activations linked with heatmaps.",
    help_epilogue=EPILOGUE,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
    version=lambda: metadata_version("activation-explorer"),
    result_action="return_value",
)
app.register_install_completion_command()
for command in (
    making.demo,
    making.layers,
    making.explore,
    making.capture,
    making.project,
    showing.view,
    showing.screenshot,
    showing.grid,
    showing.rgb,
    reporting.why,
    explaining.saliency,
    publishing.export,
    maximizing.maximize,
    maximizing.atlas,
    tracking.log,
    comparing.parity,
    evolving.evolve,
    making.doctor,
):
    app.command(command)


def metadata_version(package: str) -> str:
    """The installed version, looked up only when it is asked for."""
    from importlib.metadata import version

    return version(package)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 0, 1 from doctor and parity, 2 for a user's mistake, 130 for Ctrl-C."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        sys.stderr.write(f"{' '.join(str(error).split())}\n")
        return 2
    except ExplorerError as error:
        if not interrupts.asked():
            sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(interrupts.LINE)
        return interrupts.CODE
    except BrokenPipeError:
        return 0
    except OSError as error:  # a place that cannot be read or written
        sys.stderr.write(f"{error.filename or 'output'}: {error.strerror or error}\n")
        return 2
    return result if isinstance(result, int) else 0


def entry() -> None:
    """Run the command line as a program, and end it at once.

    Taking JAX and VTK apart at the end takes half a second and gives the user nothing: everything is
    on disk by then.
    """
    try:
        code = main()
    except Exception:  # an interrupt amid an import or compiled code comes out as anything
        if not interrupts.asked():
            raise
        code = interrupts.CODE + 1
    if interrupts.asked() and code not in (0, interrupts.CODE):
        interrupts.end()
    with suppress(OSError):  # whoever read the output has gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
