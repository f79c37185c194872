"""Training of networks that make a missing contrast: data by person, the loop of two networks, baselines, figures."""
