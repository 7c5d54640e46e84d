"""DreamBooth training: reads a run folder's config.toml, writes events, samples, checkpoints and the model."""
