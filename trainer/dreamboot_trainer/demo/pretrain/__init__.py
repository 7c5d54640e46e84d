"""How the demo model was made: data, autoencoder, text-to-image training, judge and export.

See docs/explanation/demo-model.md.
"""
