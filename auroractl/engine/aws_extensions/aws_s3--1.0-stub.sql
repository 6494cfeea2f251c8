\echo Use "CREATE EXTENSION aws_s3" to load this file. \quit
CREATE SCHEMA aws_s3;
GRANT USAGE ON SCHEMA aws_s3 TO rds_superuser WITH GRANT OPTION;

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name pg_catalog.text, column_list pg_catalog.text, options pg_catalog.text,
    s3_info aws_commons._s3_uri_1, credentials aws_commons._aws_credentials_1 DEFAULT NULL
) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_s3.table_import_from_s3 reaches no Amazon S3 here.',
        HINT = 'auroractl has only the names of this extension. Load files with COPY FROM STDIN or \copy.';
END
$$;

CREATE FUNCTION aws_s3.table_import_from_s3(
    table_name pg_catalog.text, column_list pg_catalog.text, options pg_catalog.text,
    bucket pg_catalog.text, file_path pg_catalog.text, region pg_catalog.text,
    access_key pg_catalog.text DEFAULT NULL, secret_key pg_catalog.text DEFAULT NULL,
    session_token pg_catalog.text DEFAULT NULL
) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_s3.table_import_from_s3 reaches no Amazon S3 here.',
        HINT = 'auroractl has only the names of this extension. Load files with COPY FROM STDIN or \copy.';
END
$$;

CREATE FUNCTION aws_s3.query_export_to_s3(
    query pg_catalog.text, s3_info aws_commons._s3_uri_1, options pg_catalog.text DEFAULT NULL,
    kms_key pg_catalog.text DEFAULT NULL,
    OUT rows_uploaded pg_catalog.int8, OUT files_uploaded pg_catalog.int8, OUT bytes_uploaded pg_catalog.int8
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_s3.query_export_to_s3 reaches no Amazon S3 here.',
        HINT = 'auroractl has only the names of this extension. Write files with COPY TO STDOUT or \copy.';
END
$$;

CREATE FUNCTION aws_s3.query_export_to_s3(
    query pg_catalog.text, bucket pg_catalog.text, file_path pg_catalog.text,
    region pg_catalog.text DEFAULT NULL, options pg_catalog.text DEFAULT NULL, kms_key pg_catalog.text DEFAULT NULL,
    OUT rows_uploaded pg_catalog.int8, OUT files_uploaded pg_catalog.int8, OUT bytes_uploaded pg_catalog.int8
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_s3.query_export_to_s3 reaches no Amazon S3 here.',
        HINT = 'auroractl has only the names of this extension. Write files with COPY TO STDOUT or \copy.';
END
$$;
