"""Starts the trainer in an environment: accelerate's configuration, the trainer's code, following its events."""
