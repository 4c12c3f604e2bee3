"""MLflow and Weights & Biases get the same things, in their own words, without a network."""

from __future__ import annotations

import builtins
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import explorer
from explorer.errors import InputError, MissingExtraError
from explorer.tracking.protocol import open_tracker

IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def forward(params: Any, inputs: Any) -> Any:
    return {"block[0]": inputs[:, ::2, ::2] @ params}


def watched(to: Any) -> None:
    with explorer.watch(forward, IMAGES, layers=["block[0]"], to=to, labels=list("abab")) as watch:
        for step in (0, 1):
            watch.on_epoch(step, jnp.ones((3, 5)) * (step + 1))


def values(step: int) -> Any:
    return IMAGES[:, ::2, ::2] @ np.full((3, 5), step + 1, np.float32)


@pytest.mark.filterwarnings("default")
def test_mlflow_keeps_metrics_pictures_histograms_and_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    watched("mlflow:digits")
    assert mlflow.active_run() is None
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("digits")
    (run,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(run.info.run_id, "mean_norm/block_0_")
    assert [entry.step for entry in history] == [0, 1]
    assert history[1].value == pytest.approx(np.linalg.norm(values(1), axis=-1).mean(), rel=1e-5)
    kept = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id))
    assert (kept / "grids" / "block_0_" / "00001.png").is_file()
    counted = json.loads((kept / "activations" / "block_0_" / "00001.json").read_text())
    assert sum(counted["counts"]) == counted["n"] == values(1).size
    model = explorer.load_model(kept / "embeddings")
    assert [info.name for info in model.layers()] == ["block[0]@00000", "block[0]@00001"]
    rows = model.adapter.capture(np.arange(64), ["block[0]@00001"])["block[0]@00001"].values
    assert np.allclose(rows, values(1).reshape(-1, 5), atol=1e-5)


@pytest.mark.filterwarnings("default")
def test_mlflow_logs_into_the_run_that_is_active_and_leaves_it_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    mlflow.set_experiment("own")
    with mlflow.start_run() as mine:
        watched("mlflow")
        assert mlflow.active_run().info.run_id == mine.info.run_id
    assert "zeros/block_0_" in mlflow.MlflowClient().get_run(mine.info.run_id).data.metrics


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_wandb_keeps_everything_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    # Away from the terminal: it asks that for its colours, which stops a program in the background.
    code = (
        "import test_trackers; test_trackers.watched('wandb:digits'); import wandb; assert wandb.run is None"
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    command = [sys.executable, "-c", code]
    subprocess.run(
        command, cwd=tmp_path, check=True, start_new_session=True, stdin=subprocess.DEVNULL, timeout=300
    )
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    media = folder / "files" / "media"
    assert len(list(media.glob("images/grids/*.png"))) == 2
    (table,) = media.glob("table/embeddings/*_1_*.table.json")
    read = json.loads(table.read_text())
    assert read["columns"][:4] == ["label", "image", "row", "column"]
    rows = np.array(
        [[row[read["columns"].index(f"channel {at}")] for at in range(5)] for row in read["data"]]
    )
    assert np.allclose(rows, values(1).reshape(-1, 5), atol=1e-5)
    kept = _history(folder)
    assert [row["explorer/step"] for row in kept] == [0, 1]
    norm = np.linalg.norm(values(1), axis=-1).mean()
    assert kept[1]["mean_norm/block[0]"] == pytest.approx(norm, rel=1e-5)
    assert sum(kept[1]["activations/block[0]/values"]) == values(1).size


def _history(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run that was kept offline, from its log of protobuf messages."""
    from wandb.proto import wandb_internal_pb2

    blob, place, parts, rows = next(folder.glob("*.wandb")).read_bytes(), 7, [], []
    while place + 7 <= len(blob):
        if 32768 - place % 32768 < 7:  # no header fits into what is left of a block
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack_from("<HB", blob, place + 4)
        parts.append(blob[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            if record.WhichOneof("record_type") == "history":
                items = {"/".join(item.nested_key) or item.key: item for item in record.history.item}
                rows.append({name: json.loads(item.value_json) for name, item in items.items()})
    return rows


@pytest.mark.parametrize(
    ("to", "module", "extra"),
    [("mlflow", "mlflow", "mlflow"), ("wandb:x", "wandb", "wandb"), ("logs", "tensorboardX", "tensorboard")],
)
def test_a_tracker_that_is_not_installed_names_its_extra(
    to: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=module)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"activation-explorer\[{extra}\]"):
        open_tracker(to)


def test_anything_with_the_methods_is_a_tracker_and_nothing_else() -> None:
    class Half:
        def log_scalar(self, name: str, value: float, step: int) -> None: ...

    with pytest.raises(InputError, match="to Half: expected a folder"):
        open_tracker(Half())
