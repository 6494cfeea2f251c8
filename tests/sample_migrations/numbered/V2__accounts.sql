CREATE TABLE accounts (
    id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
    email citext NOT NULL UNIQUE,
    password text NOT NULL,
    api_key text NOT NULL DEFAULT encode(gen_random_bytes(24), 'hex'),
    settings hstore NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX accounts_email ON accounts USING gin (email gin_trgm_ops);
CREATE INDEX accounts_settings ON accounts USING gin (settings);
