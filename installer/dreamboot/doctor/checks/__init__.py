"""One file per check; each holds a CHECK, and its own example cases."""
