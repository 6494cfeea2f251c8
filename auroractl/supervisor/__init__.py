"""The supervisor of a home: control API and watch loop."""
