"""Where packages come from on this machine: pip's and uv's configuration, and what the places named there hold."""
