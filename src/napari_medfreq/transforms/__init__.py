"""Frequency transforms in pure torch: any batch, any size, differentiable. Names are imported when first used."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
