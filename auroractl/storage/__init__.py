"""The six-copy volume on disk: WAL folders, their receivers, checksums, repair and reading back."""
