"""The scene: a cloud and the heatmaps of the same positions, linked both ways."""
