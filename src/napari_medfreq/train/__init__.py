"""Datasets, recipes and the training loop."""
