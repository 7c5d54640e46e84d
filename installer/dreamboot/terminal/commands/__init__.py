"""One file per command, found by its name: HELP, add_arguments, run, render."""

# The order is the order of a user's way. Kept here, not read from the command files, so that `--help` imports none.
COMMANDS = {
    "up": "the whole way: detect, plan, build, configure, train, export",
    "detect": "what this machine is",
    "plan": "what would be built here, and why",
    "build": "make the environment",
    "bundle": "pack everything for a machine without a network",
    "env": "list, show, compare, roll back, repair or remove environments",
    "patch": "list, verify, apply or revert patches",
    "train": "train with a configuration file and/or flags",
    "sample": "draw pictures with a trained model",
    "pick": "measure the models that a run has kept, and name the best one",
    "predict": "how much video memory a training run would take, and what makes it fit",
    "convert": "original checkpoint <-> diffusers folder <-> LoRA file",
    "doctor": "diagnose this machine and an environment; --fix mends it",
    "explain": "name the cause of an error in a log",
    "catalog": "what dreamboot knows about releases, GPUs and drivers",
    "test": "run the project's own tests (from a checkout)",
}
