"""The use cases: each yields events while it works and ends with one report. Faces only show what comes out."""
