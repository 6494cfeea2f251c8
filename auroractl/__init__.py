"""auroractl: a real Aurora-style PostgreSQL cluster on your own machine.

Layers, from the top; imports go down only (checked in CI):

    cli         commands and rendering     testing   clusters for test sessions (pytest_plugin hands them out)
    backends    what a command talks to
    ~~~~~~~~~~  the supervisor's socket
    supervisor  the daemon: control API, watch loop
    services    one function per use case, run as journalled steps
    engine      PostgreSQL             endpoints  the TCP endpoint process
    state       SQLAlchemy rows        process    programs, locks, files    config  settings and paths
    core        model and decisions, no input or output
"""

__version__ = "0.1.0"
