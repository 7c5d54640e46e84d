"""Peak memory of a training step, known before any is spent: the real architecture, on tensors without contents."""
