"""The point cloud and its camera: all that PyVista draws."""
