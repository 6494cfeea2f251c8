"""auroractl: a real Aurora-style PostgreSQL cluster on your own machine.

Layers, from the top; imports go down only (checked in CI):

    cli | testing                   commands and rendering; clusters for test sessions (pytest_plugin hands them out)
    drills | declarations           rehearsed faults under load; clusters that a file describes
    control_planes                  what a command talks to
    ~~~~~~~~~~                      the supervisor's socket
    supervisor | diagnostics        the daemon: control API, watch loop; doctor, logs and report, which need no daemon
    services                        one function per use case, run as journalled steps
    runtime                         what lives as long as the supervisor process
    engine | storage | endpoints    PostgreSQL; copies of the WAL and recovery images; the TCP endpoint process
    state | system | config         SQLAlchemy rows; programs, locks, files; settings and paths
    api                             requests, verbs and documents: the same on both sides of the socket
    core                            model and decisions, no input or output
"""

__version__ = "0.1.0"
