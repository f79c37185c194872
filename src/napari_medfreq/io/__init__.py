"""Files: what comes in as a `Volume` and what goes out again. One file a format; `files` chooses among them."""
