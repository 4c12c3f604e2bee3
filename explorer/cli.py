"""The command line: its commands gathered, and what a mistake or Ctrl-C becomes."""

from __future__ import annotations

import io
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
        tell(f"{' '.join(str(error).split())}\n")
        return 2
    except ExplorerError as error:
        if not interrupts.asked():
            tell(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        tell(interrupts.LINE)
        return interrupts.CODE
    except BrokenPipeError:
        return 0
    except OSError as error:  # a place that cannot be read or written
        tell(f"{error.filename or 'output'}: {error.strerror or error}\n")
        return 2
    return result if isinstance(result, int) else 0


def prepare_streams() -> None:
    """See to it that what cannot be told, or to nobody, does not stop the work.

    Letters that the output's encoding lacks, as in a pipe of ASCII, are written by their numbers.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(line: str) -> None:
    """Tell the user one thing; when nobody can be told, the exit code says it."""
    with suppress(OSError):
        sys.stderr.write(line)
        sys.stderr.flush()


def entry() -> None:
    """Run the command line as a program, and end it at once.

    Taking JAX and VTK apart at the end takes half a second and gives the user nothing: everything is
    on disk by then.
    """
    prepare_streams()
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
