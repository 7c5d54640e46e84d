"""Which interpreters there are: where they may lie, what files say about one, and what one says about itself."""
