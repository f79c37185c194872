"""The Segment dock: `dock` puts the parts together, `controller` runs requests, the others each show one thing."""
