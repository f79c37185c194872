"""What an image holds at which frequencies, what changing it does, and what a model makes of it."""
