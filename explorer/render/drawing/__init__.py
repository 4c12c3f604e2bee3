"""Two-dimensional drawing: colours, words, shapes, heatmaps, sheets; pixels, SVG and PDF."""
