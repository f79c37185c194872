"""Frequency transforms in pure torch: any batch, any size, differentiable."""
