"""The scene of a training, with a slider over its epochs."""
