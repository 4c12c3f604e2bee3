"""Why a selection lies together: one page, as HTML or PDF."""
