"""The demo that ships with the package."""
