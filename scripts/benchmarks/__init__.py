"""What `bench.py` measures: one file a group of contests."""
