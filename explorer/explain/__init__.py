"""Why a layer answers as it does: what in a picture drives it, and what it would answer to most."""
