"""What NVIDIA's tools print: one pure parser per form, all giving a `Reading`."""
