"""PyTorch networks of the kinds that people have, small enough for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and running statistics, so that nothing is at its neutral value."""
    generator = torch.Generator().manual_seed(seed)
    tensors: Iterable[torch.Tensor] = module.state_dict().values()
    for tensor in tensors:
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.6 - 0.2)
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
    return module


class UNet(nn.Module):
    """Two levels down and up again, with skip connections by concatenation."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.down1 = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.down2 = nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(2)
        self.middle = nn.Conv2d(2 * width, 2 * width, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.out = nn.Conv2d(2 * width, 5, 1)

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        one = self.down1(x)
        two = self.down2(self.pool(one))
        up = self.up(self.middle(two))
        logits = self.out(torch.cat([one, up], dim=1))
        return {"logits": logits, "skips": [one, two]}


class Block(nn.Module):
    """A residual block; its sum has no module of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.drop(self.norm(self.conv(x))) + x)


class ResNet(nn.Module):
    """A stem, two blocks, a convolution and an activation that are used twice, in training mode."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.blocks = nn.ModuleList([Block(width), Block(width)])
        self.twice = nn.Conv2d(width, width, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor, mood: str = "calm") -> torch.Tensor:
        if mood != "calm":
            raise RuntimeError("boom\nand more")
        x = self.act(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = self.twice(self.act(self.twice(x)))
        return self.head(self.pool(x).flatten(1))


class ConvNeXtBlock(nn.Module):
    """Layer norm and linear layers with channels last inside, channels first outside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.act = nn.GELU()
        self.thin = nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depth(x).permute(0, 2, 3, 1)
        return x + self.thin(self.act(self.wide(self.norm(y)))).permute(0, 3, 1, 2)


class Layer(nn.Module):
    """One pre-norm transformer layer on (batch, tokens, channels)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y)[0]
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Patches, one class token, registers; positions for pictures of one size."""

    def __init__(
        self, grid: tuple[int, int] = (3, 5), registers: int = 2, width: int = 6, depth: int = 2
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.start = nn.Parameter(torch.zeros(1, 1 + registers, width))
        self.positions = nn.Parameter(torch.zeros(1, grid[0] * grid[1], width))
        self.blocks = nn.Sequential(*(Layer(width) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        x = torch.cat([self.start.expand(len(x), -1, -1), x], dim=1)
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])
