"""Volume in, result out. `options` is free of torch and may be imported in the viewer's process; the rest is not."""
