"""The demo's digit classifier as a PyTorch module, with the same trained weights.

    python scripts/digits_in_torch.py digits-torch
    activation-explorer explore digits-torch --layer block5

Writes, into the folder that is named:
  digits_in_torch.py      this file, for the factory in model.toml
  digits.safetensors      the weights; digits.pt holds the same as a training script would save them
  digits.pt2              the same network as a program of torch.export, which needs no code
  model.toml              what the explorer needs to load the network

Needs PyTorch (`pip install 'activation-explorer[torch]'`) and safetensors.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

MODEL_TOML = """\
# Written by scripts/digits_in_torch.py

[model]
factory = "digits_in_torch:DigitsNet"
arguments = {{ width = {width} }}

[checkpoint]
path = "digits.safetensors"

[preprocessing]
{preprocessing}
[labels]
names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[explore]
layer = "block5"
"""


class Conv(nn.Conv2d):
    """3x3 convolution that keeps the size, or halves it as Flax's "SAME" does: a zero below and right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, F, H/stride, W/stride)."""
        if self.stride == (2, 2):
            x = nn.functional.pad(x, (0, 1, 0, 1))
        return super().forward(x)


class ConvBlock(nn.Module):
    """3x3 convolution, batch normalisation, ReLU: (B, C, H, W) -> (B, F, H/stride, W/stride)."""

    def __init__(self, inputs: int, features: int, stride: int) -> None:
        super().__init__()
        self.conv = Conv(inputs, features, 3, stride, padding=0 if stride == 2 else 1, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, F, H/stride, W/stride)."""
        return torch.relu(self.norm(self.conv(x)))


class DilatedBlock(nn.Module):
    """Residual block around one dilated 3x3 convolution; keeps the shape (B, F, H, W)."""

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__()
        self.conv = Conv(features, features, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm2d(features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (B, F, H, W)."""
        return torch.relu(x + self.norm(self.conv(x)))


class DigitsNet(nn.Module):
    """Handwritten digits: (B, 1, 32, 32) -> logits (B, 10), the mean of the answers at 8x8 positions."""

    def __init__(self, width: int = 48, classes: int = 10) -> None:
        super().__init__()
        self.block1 = ConvBlock(1, width // 2, stride=2)
        self.block2 = ConvBlock(width // 2, width, stride=2)
        self.block3 = DilatedBlock(width, dilation=2)
        self.block4 = DilatedBlock(width, dilation=4)
        self.block5 = DilatedBlock(width, dilation=1)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, classes)."""
        x = self.block5(self.block4(self.block3(self.block2(self.block1(x)))))
        return self.head(x.permute(0, 2, 3, 1)).mean(dim=(1, 2))


def from_flax(variables: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The state dict of Linen's {"params": …, "batch_stats": …}."""
    params, statistics = variables["params"], variables["batch_stats"]
    state = {}
    for name, block in params.items():
        if name == "head":
            state["head.weight"] = torch.from_numpy(np.array(block["kernel"].T))
            state["head.bias"] = torch.from_numpy(np.array(block["bias"]))
            continue
        kernel = np.array(block["conv"]["kernel"])  # (height, width, inputs, features)
        state[f"{name}.conv.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        for flax_name, torch_name in (("scale", "weight"), ("bias", "bias")):
            state[f"{name}.norm.{torch_name}"] = torch.from_numpy(np.array(block["norm"][flax_name]))
        for kind in ("mean", "var"):
            state[f"{name}.norm.running_{kind}"] = torch.from_numpy(np.array(statistics[name]["norm"][kind]))
        state[f"{name}.norm.num_batches_tracked"] = torch.tensor(0)
    return state


def trained() -> tuple[DigitsNet, str]:
    """The network with the demo's weights, and the demo's [preprocessing] table."""
    from explorer.adapters.checkpoints import read_checkpoint
    from explorer.demo import DIGITS

    variables, _ = read_checkpoint(DIGITS.parent / "checkpoints", step=16)
    module = DigitsNet()
    module.load_state_dict(from_flax(variables))
    table = DIGITS.read_text(encoding="utf-8").partition("[preprocessing]\n")[2].partition("[labels]")[0]
    return module.eval(), table


def write(out: Path) -> None:
    """Write the network in each of its forms."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    module, table = trained()
    save_file(module.state_dict(), out / "digits.safetensors")
    torch.save({"state_dict": module.state_dict(), "epoch": 16}, out / "digits.pt")
    batch = torch.export.Dim("batch", min=1, max=4096)
    shape = torch.zeros(2, 1, 32, 32)
    torch.export.save(torch.export.export(module, (shape,), dynamic_shapes=({0: batch},)), out / "digits.pt2")
    shutil.copy(__file__, out / "digits_in_torch.py")
    (out / "model.toml").write_text(MODEL_TOML.format(width=48, preprocessing=table), encoding="utf-8")
    for path in sorted(out.iterdir()):
        print(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the demo's digit classifier for PyTorch.")
    parser.add_argument("out", type=Path, help="folder to write into")
    write(parser.parse_args().out)
