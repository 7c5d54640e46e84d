"""Photos, prompts, their order, and what is kept of them in memory."""
