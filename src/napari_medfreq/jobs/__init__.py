"""What can be asked of the compute side, and who runs it.

`messages` (what is asked, what comes back) and `host` (the child process that answers) are free of torch and may be
imported in the viewer's process; `run`, `inline` and `child` are the compute side itself.
"""
