\echo Use "CREATE EXTENSION aws_lambda" to load this file. \quit
CREATE SCHEMA aws_lambda;
GRANT USAGE ON SCHEMA aws_lambda TO rds_superuser WITH GRANT OPTION;

CREATE FUNCTION aws_lambda.invoke(
    function_name aws_commons._lambda_function_arn_1, req_payload pg_catalog.json,
    invocation_type pg_catalog.text DEFAULT 'RequestResponse', log_type pg_catalog.text DEFAULT 'None',
    context pg_catalog.json DEFAULT NULL, qualifier pg_catalog.varchar DEFAULT NULL,
    OUT status_code pg_catalog.int4, OUT payload pg_catalog.json, OUT executed_version pg_catalog.text,
    OUT log_result pg_catalog.text
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_lambda.invoke reaches no AWS Lambda here.',
        HINT = 'auroractl has only the names of this extension.';
END
$$;

CREATE FUNCTION aws_lambda.invoke(
    function_name pg_catalog.text, req_payload pg_catalog.json, region pg_catalog.text DEFAULT NULL,
    invocation_type pg_catalog.text DEFAULT 'RequestResponse', log_type pg_catalog.text DEFAULT 'None',
    context pg_catalog.json DEFAULT NULL, qualifier pg_catalog.varchar DEFAULT NULL,
    OUT status_code pg_catalog.int4, OUT payload pg_catalog.json, OUT executed_version pg_catalog.text,
    OUT log_result pg_catalog.text
) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RAISE feature_not_supported USING
        MESSAGE = 'aws_lambda.invoke reaches no AWS Lambda here.',
        HINT = 'auroractl has only the names of this extension.';
END
$$;
