"""The terminal's face: commands, questions and drawing. Decides nothing."""
