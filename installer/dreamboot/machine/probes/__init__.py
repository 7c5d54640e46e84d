"""One probe per file: `probe(asking)` answers values for fields of `Machine`. A new file is found by itself."""
