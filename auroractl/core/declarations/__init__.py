"""Clusters as a file describes them: reading the file's tables, and what is to be done about the difference.

kinds       what a value may be; reads it and describes it as JSON schema
model       a cluster as declared, and the one table of keys that reads and documents it
views       a cluster as it is, in the same form
plan        what differs, and the requests (requests) that mend it
toml        writing TOML, and finding the line of a key
"""
