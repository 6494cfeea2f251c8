"""The certificate authority of a home, and the certificates that it issues to clusters.

`authority.py` makes them, `files.py` keeps them. Only this package knows the library `cryptography`.
"""
