"""What a database engine allows: extensions, and the privileges of rds_superuser."""
