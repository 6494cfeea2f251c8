"""One function per use case, run as journalled steps with undo."""
