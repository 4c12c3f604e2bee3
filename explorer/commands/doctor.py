"""doctor: what is here, what works, and what to do about what does not."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "activation-explorer", "numpy", "jax", "flax", "tensorstore", "scikit-learn", "numba", "faiss-cpu",
    "umap-learn", "openTSNE", "pyvista", "vtk", "matplotlib", "pillow",
)  # fmt: skip
READERS = {
    "DICOM": ("pydicom", "dicom"),
    "NIfTI": ("nibabel", "nifti"),
    "TIFF beyond 8 bits": ("tifffile", "tiff"),
    "parquet": ("pyarrow", "parquet"),
}
"""Files that are read when a package of an extra is there."""
TRACKERS = {
    "TensorBoard": ("tensorboardX", "tensorboard"),
    "MLflow": ("mlflow-skinny", "mlflow"),
    "Weights & Biases": ("wandb", "wandb"),
}
"""Places to log to when a package of an extra is there."""


def examine() -> int:
    """Print versions, rendering and adapters. Returns 0, or 1 when something needs mending."""
    from explorer.capture.registry import adapter_states
    from explorer.render.cloud.offscreen import can_render, has_screen

    problems = 0
    _line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in PACKAGES:
        try:
            _line(package, version(package))
        except PackageNotFoundError:
            problems += 1
            _line(package, f"MISSING: pip install {package}")
    for does, optional in (("reads", READERS), ("logs to", TRACKERS)):
        for kind, (package, extra) in optional.items():
            try:
                _line(f"{does} {kind}", f"{package} {version(package)}")
            except PackageNotFoundError:
                _line(f"{does} {kind}", f"no; pip install 'activation-explorer[{extra}]'")
    works, detail = can_render()
    problems += not works
    _line("pictures", detail if works else f"CANNOT BE RENDERED: {detail}")
    _line(
        "window",
        "there is a screen" if has_screen() else "no screen here; `screenshot` writes pictures all the same",
    )
    for state in adapter_states():
        problems += bool(state.problem) and not state.is_optional
        _line(f"adapter {state.name}", state.problem or "usable")
    return 1 if problems else 0


def _line(name: str, value: str) -> None:
    sys.stdout.write(f"{name:<26}{value}\n")
