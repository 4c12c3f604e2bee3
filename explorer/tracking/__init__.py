"""What a network answers while it is trained, written where training is watched: TensorBoard and its kin."""

from explorer.tracking.captured import log_run
from explorer.tracking.measures import Histogram
from explorer.tracking.protocol import Embedding, Tracker
from explorer.tracking.watching import Watch, watch

__all__ = ["Embedding", "Histogram", "Tracker", "Watch", "log_run", "watch"]
