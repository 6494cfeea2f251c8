"""The daemon of a home: control API and watch loop."""
