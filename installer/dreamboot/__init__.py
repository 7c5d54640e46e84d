"""dreamboot takes a bare machine to a trained DreamBooth model, and mends environments that others broke."""

__version__ = "0.1.0"
