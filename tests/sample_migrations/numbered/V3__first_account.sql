INSERT INTO accounts (email, password, settings)
VALUES ('Ada@example.com', crypt('a password', gen_salt('bf', 6)), 'theme => dark');
DO $$
BEGIN
    ASSERT (SELECT password = crypt('a password', password) FROM accounts WHERE email = 'ADA@EXAMPLE.COM');
    ASSERT (SELECT settings -> 'theme' = 'dark' AND length(api_key) = 48 FROM accounts WHERE email % 'ada@example');
END $$;
