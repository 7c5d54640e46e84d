"""One file per family of symptoms; each holds a tuple SYMPTOMS."""
