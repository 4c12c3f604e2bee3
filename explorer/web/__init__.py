"""The page: the cloud beside the heatmaps in a browser, as one file or from a server on this machine."""
