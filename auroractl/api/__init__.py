"""The API between commands and the supervisor: requests, verbs, documents. Pure, the same on both sides."""
