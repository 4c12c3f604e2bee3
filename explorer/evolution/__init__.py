"""One layer over the checkpoints of a training: captures, maps, figures, and the folder they are kept in."""

from explorer.evolution.result import EpochFigures, Evolution, is_evolution, open_evolution

__all__ = ["EpochFigures", "Evolution", "is_evolution", "open_evolution"]
