"""The stages of a run, one file each. Their order is in run.py."""
