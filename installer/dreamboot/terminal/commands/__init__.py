"""One file per command, found by its name: HELP, add_arguments, run, render."""
