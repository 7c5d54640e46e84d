"""How like the subject, how true to the prompt, how much of the class is left: measured, and the best model named."""
