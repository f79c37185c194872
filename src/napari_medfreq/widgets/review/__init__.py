"""The Review dock: `page` is what it shows, `controller` begins and opens, `session` goes on, `autosave` saves."""
