\echo Use "CREATE EXTENSION aws_commons" to load this file. \quit
CREATE SCHEMA aws_commons;
GRANT USAGE ON SCHEMA aws_commons TO rds_superuser WITH GRANT OPTION;

CREATE TYPE aws_commons._s3_uri_1 AS (bucket pg_catalog.text, file_path pg_catalog.text, region pg_catalog.text);
CREATE TYPE aws_commons._aws_credentials_1 AS (
    access_key pg_catalog.text, secret_key pg_catalog.text, session_token pg_catalog.text
);
CREATE TYPE aws_commons._lambda_function_arn_1 AS (function_name pg_catalog.text, region pg_catalog.text);

CREATE FUNCTION aws_commons.create_s3_uri(
    s3_bucket pg_catalog.text, s3_key pg_catalog.text, aws_region pg_catalog.text
) RETURNS aws_commons._s3_uri_1 LANGUAGE sql IMMUTABLE
RETURN ROW(s3_bucket, s3_key, aws_region)::aws_commons._s3_uri_1;

CREATE FUNCTION aws_commons.create_aws_credentials(
    access_key pg_catalog.text, secret_key pg_catalog.text, session_token pg_catalog.text
) RETURNS aws_commons._aws_credentials_1 LANGUAGE sql IMMUTABLE
RETURN ROW(access_key, secret_key, session_token)::aws_commons._aws_credentials_1;

CREATE FUNCTION aws_commons.create_lambda_function_arn(
    function_name pg_catalog.text, region pg_catalog.text DEFAULT NULL
) RETURNS aws_commons._lambda_function_arn_1 LANGUAGE sql IMMUTABLE
RETURN ROW(function_name, region)::aws_commons._lambda_function_arn_1;
