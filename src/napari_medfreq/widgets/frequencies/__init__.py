"""The Frequencies dock: look at an image through its bands, change them, and see what a model makes of it."""
