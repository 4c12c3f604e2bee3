"""Write the demo's digit classifier in other frameworks, each form with the weights of the Flax one.

    python scripts/write_digits_forms.py OUT [--form keras]

OUT/<form>/ holds the network's code, its weights, and a model.toml for
`activation-explorer explore`; OUT/keras/ a .keras file, which needs no code. What each form
answers is what the Flax network answers, block by block.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

import explorer.demo

FORMS_CODE = Path(__file__).resolve().parent / "digits_forms"
DEMO = explorer.demo.DIGITS.parent
BLOCKS = ("block1", "block2", "block3", "block4", "block5")
Weights = dict[str, dict[str, np.ndarray]]


def read_weights() -> Weights:
    """The trained weights by block: kernel (3, 3, in, out), mean, var, scale, bias; the head's two."""
    with ocp.PyTreeCheckpointer() as saved:
        tree = jax.tree.map(np.asarray, saved.restore(DEMO / "checkpoints" / "16"))
    params, stats = tree["params"], tree["batch_stats"]
    weights = {
        name: {
            "kernel": params[name]["conv"]["kernel"],
            "scale": params[name]["norm"]["scale"],
            "bias": params[name]["norm"]["bias"],
            "mean": stats[name]["norm"]["mean"],
            "var": stats[name]["norm"]["var"],
        }
        for name in BLOCKS
    }
    return weights | {"head": {"kernel": params["head"]["kernel"], "bias": params["head"]["bias"]}}


def code(form: str) -> ModuleType:
    """The module of one form's network."""
    name = f"digits_{form}"
    spec = importlib.util.spec_from_file_location(name, FORMS_CODE / f"{name}.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def write_jax(weights: Weights, out: Path) -> str:
    """Plain JAX: an .npz."""
    np.savez(
        out / "digits.npz", **{f"{a}/{b}": leaf for a, part in weights.items() for b, leaf in part.items()}
    )
    return 'factory = "digits_jax:make"\n\n[checkpoint]\npath = "digits.npz"'


def write_nnx(weights: Weights, out: Path) -> str:
    """Flax NNX: an .npz."""
    flat: dict[str, np.ndarray] = {}
    for name in BLOCKS:
        part = weights[name]
        flat[f"{name}/conv/kernel"] = part["kernel"]
        flat |= {f"{name}/norm/{leaf}": part[leaf] for leaf in ("scale", "bias", "mean", "var")}
    flat |= {f"head/{leaf}": array for leaf, array in weights["head"].items()}
    np.savez(out / "digits.npz", **flat)
    return 'factory = "digits_nnx:DigitsNet"\n\n[checkpoint]\npath = "digits.npz"'


def write_equinox(weights: Weights, out: Path) -> str:
    """Equinox: an .eqx of (model, state)."""
    import equinox as eqx
    import jax.numpy as jnp

    model, state = eqx.nn.make_with_state(code("equinox").DigitsNet)(jax.random.key(0))
    for name in BLOCKS:
        part = {leaf: jnp.asarray(array) for leaf, array in weights[name].items()}
        block = getattr(model, name)
        model = eqx.tree_at(
            lambda tree, name=name: (
                getattr(tree, name).conv.weight,
                getattr(tree, name).norm.weight,
                getattr(tree, name).norm.bias,
            ),
            model,
            (part["kernel"].transpose(3, 2, 0, 1), part["scale"], part["bias"]),
        )
        state = state.set(block.norm.batch_state_index, (part["mean"], part["var"]))
    head = (jnp.asarray(weights["head"]["kernel"]).T, jnp.asarray(weights["head"]["bias"]))
    model = eqx.tree_at(lambda tree: (tree.head.weight, tree.head.bias), model, head)
    eqx.tree_serialise_leaves(out / "digits.eqx", (model, state))
    return 'factory = "digits_equinox:DigitsNet"\n\n[checkpoint]\npath = "digits.eqx"'


def write_haiku(weights: Weights, out: Path) -> str:
    """Haiku: an .npz of params and state."""
    flat: dict[str, np.ndarray] = {
        "params/head/w": weights["head"]["kernel"],
        "params/head/b": weights["head"]["bias"],
    }
    for name in BLOCKS:
        part, norm = weights[name], f"{name}/~/norm"
        flat[f"params/{name}/~/conv/w"] = part["kernel"]
        flat |= {f"params/{norm}/scale": part["scale"], f"params/{norm}/offset": part["bias"]}
        for kind, array in (("mean_ema", part["mean"]), ("var_ema", part["var"])):
            flat |= {f"state/{norm}/~/{kind}/{leaf}": array for leaf in ("average", "hidden")}
            flat[f"state/{norm}/~/{kind}/counter"] = np.asarray(1, np.int32)
    for path, array in flat.items():
        if "/norm/" in path and array.ndim == 1:  # Haiku normalises along all axes but the last
            flat[path] = array.reshape(1, 1, 1, -1)
    np.savez(out / "digits.npz", **flat)
    return 'factory = "digits_haiku:make"\n\n[checkpoint]\npath = "digits.npz"'


def write_keras(weights: Weights, out: Path) -> str:
    """Keras: a .keras file."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    model = code("keras").make()
    for name in BLOCKS:
        part, block = weights[name], model.get_layer(name)
        block.get_layer("conv").set_weights([part["kernel"]])
        block.get_layer("norm").set_weights([part[leaf] for leaf in ("scale", "bias", "mean", "var")])
    model.get_layer("head").set_weights([weights["head"]["kernel"], weights["head"]["bias"]])
    model.save(out / "digits.keras")
    return 'file = "digits.keras"'


FORMS: dict[str, Callable[[Weights, Path], str]] = {
    "jax": write_jax,
    "nnx": write_nnx,
    "equinox": write_equinox,
    "haiku": write_haiku,
    "keras": write_keras,
}


def write_form(form: str, out: Path) -> Path:
    """Write one form into a folder of its own; the path of its model.toml."""
    folder = out / form
    folder.mkdir(parents=True, exist_ok=True)
    model = FORMS[form](read_weights(), folder)
    if form != "keras":
        shutil.copy(FORMS_CODE / f"digits_{form}.py", folder)
    tables = re.split(r"^(?=\[)", explorer.demo.DIGITS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    kept = "".join(table for table in tables if table.startswith(("[preprocessing]", "[labels]")))
    text = f"# Written by scripts/write_digits_forms.py\n\n[model]\n{model}\n\n{kept}"
    (folder / "model.toml").write_text(text.rstrip() + "\n", encoding="utf-8")
    return folder / "model.toml"


def main() -> None:
    """Write the forms that were asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--form", action="append", choices=list(FORMS), help="default: all")
    arguments: Any = parser.parse_args()
    for form in arguments.form or FORMS:
        print(write_form(form, arguments.out))


if __name__ == "__main__":
    main()
