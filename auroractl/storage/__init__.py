"""The six-copy volume on disk: folders of log, the receivers that fill them, checksums, repair, and reading back."""
