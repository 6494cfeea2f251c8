"""Clusters and parameter groups declared in a file: validation of the file, and a plan for the differences.

kinds       types of values: pydantic's types with Aurora's rules and the notation of a file
model       a declared cluster: the classes from which pydantic reads the file and writes its schema
schema      the JSON schema, and errors as sentences that say what it requires
views       an existing cluster in the same form
plan        the differences, and the requests (requests) that remove them
group_plan  the same for parameter groups
steps       what a plan consists of
file        reading of a file within limits; errors with their line
toml        writing of TOML
"""
