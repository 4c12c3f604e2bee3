"""One file for each way of capturing a framework; found through the entry points of the package."""
