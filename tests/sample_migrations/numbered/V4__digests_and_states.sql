ALTER TABLE accounts ADD COLUMN name_digest bytea GENERATED ALWAYS AS (hmac(email::text, 'key', 'sha256')) STORED;
CREATE TYPE account_state AS ENUM ('new', 'active', 'closed');
ALTER TABLE accounts ADD COLUMN state account_state NOT NULL DEFAULT 'new';
CREATE FUNCTION namespaced(email citext) RETURNS uuid LANGUAGE sql IMMUTABLE
AS $$ SELECT uuid_generate_v5(uuid_ns_url(), 'mailto:' || lower(email::text)) $$;
