/* The functions of pgcrypto 1.4 in SQL and PL/pgSQL: the same signatures and results, without OpenSSL. What it has not
   (PGP encryption, the ciphers des, 3des and cast5, further hashes of OpenSSL) is refused.

   The extension stays relocatable: PL/pgSQL bodies call only pg_catalog, and functions that call others of the
   extension have SQL-standard bodies, which refer to them by oid. */

\echo Use "CREATE EXTENSION pgcrypto" to load this file. \quit

-- The bytes of a text, whatever its encoding: only backslashes mean something to the format escape.
CREATE FUNCTION auroractl_bytes(text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.decode(pg_catalog.replace($1, E'\\', E'\\\\'), 'escape');

--
-- Hashes
--

-- FIPS 180-4, section 6.1. PostgreSQL has SHA-2 and MD5, but not SHA-1.
CREATE FUNCTION auroractl_sha1(data bytea)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  low CONSTANT int8 := 4294967295;
  message CONSTANT bytea := data || '\x80'::bytea
    || decode(repeat('00', 63 - (length(data) + 8) % 64), 'hex') || int8send(length(data) * 8::int8);
  w int8[] := array_fill(0::int8, ARRAY[80], ARRAY[0]);
  x int8;
  h0 int8 := 1732584193;
  h1 int8 := 4023233417;
  h2 int8 := 2562383102;
  h3 int8 := 271733878;
  h4 int8 := 3285377520;
  a int8;
  b int8;
  c int8;
  d int8;
  e int8;
BEGIN
  FOR o IN 0 .. length(message) - 64 BY 64 LOOP
    FOR t IN 0 .. 15 LOOP
      w[t] := (get_byte(message, o + 4 * t)::int8 << 24) | (get_byte(message, o + 4 * t + 1) << 16)
        | (get_byte(message, o + 4 * t + 2) << 8) | get_byte(message, o + 4 * t + 3);
    END LOOP;
    FOR t IN 16 .. 79 LOOP
      x := w[t - 3] # w[t - 8] # w[t - 14] # w[t - 16];
      w[t] := ((x << 1) & low) | (x >> 31);
    END LOOP;
    a := h0;
    b := h1;
    c := h2;
    d := h3;
    e := h4;
    FOR t IN 0 .. 19 BY 5 LOOP
      e := (e + ((a << 5) & low) + (a >> 27) + (d # (b & (c # d))) + w[t] + 1518500249) & low;
      b := ((b << 30) & low) | (b >> 2);
      d := (d + ((e << 5) & low) + (e >> 27) + (c # (a & (b # c))) + w[t + 1] + 1518500249) & low;
      a := ((a << 30) & low) | (a >> 2);
      c := (c + ((d << 5) & low) + (d >> 27) + (b # (e & (a # b))) + w[t + 2] + 1518500249) & low;
      e := ((e << 30) & low) | (e >> 2);
      b := (b + ((c << 5) & low) + (c >> 27) + (a # (d & (e # a))) + w[t + 3] + 1518500249) & low;
      d := ((d << 30) & low) | (d >> 2);
      a := (a + ((b << 5) & low) + (b >> 27) + (e # (c & (d # e))) + w[t + 4] + 1518500249) & low;
      c := ((c << 30) & low) | (c >> 2);
    END LOOP;
    FOR t IN 20 .. 39 BY 5 LOOP
      e := (e + ((a << 5) & low) + (a >> 27) + (b # c # d) + w[t] + 1859775393) & low;
      b := ((b << 30) & low) | (b >> 2);
      d := (d + ((e << 5) & low) + (e >> 27) + (a # b # c) + w[t + 1] + 1859775393) & low;
      a := ((a << 30) & low) | (a >> 2);
      c := (c + ((d << 5) & low) + (d >> 27) + (e # a # b) + w[t + 2] + 1859775393) & low;
      e := ((e << 30) & low) | (e >> 2);
      b := (b + ((c << 5) & low) + (c >> 27) + (d # e # a) + w[t + 3] + 1859775393) & low;
      d := ((d << 30) & low) | (d >> 2);
      a := (a + ((b << 5) & low) + (b >> 27) + (c # d # e) + w[t + 4] + 1859775393) & low;
      c := ((c << 30) & low) | (c >> 2);
    END LOOP;
    FOR t IN 40 .. 59 BY 5 LOOP
      e := (e + ((a << 5) & low) + (a >> 27) + ((b & c) | (d & (b | c))) + w[t] + 2400959708) & low;
      b := ((b << 30) & low) | (b >> 2);
      d := (d + ((e << 5) & low) + (e >> 27) + ((a & b) | (c & (a | b))) + w[t + 1] + 2400959708) & low;
      a := ((a << 30) & low) | (a >> 2);
      c := (c + ((d << 5) & low) + (d >> 27) + ((e & a) | (b & (e | a))) + w[t + 2] + 2400959708) & low;
      e := ((e << 30) & low) | (e >> 2);
      b := (b + ((c << 5) & low) + (c >> 27) + ((d & e) | (a & (d | e))) + w[t + 3] + 2400959708) & low;
      d := ((d << 30) & low) | (d >> 2);
      a := (a + ((b << 5) & low) + (b >> 27) + ((c & d) | (e & (c | d))) + w[t + 4] + 2400959708) & low;
      c := ((c << 30) & low) | (c >> 2);
    END LOOP;
    FOR t IN 60 .. 79 BY 5 LOOP
      e := (e + ((a << 5) & low) + (a >> 27) + (b # c # d) + w[t] + 3395469782) & low;
      b := ((b << 30) & low) | (b >> 2);
      d := (d + ((e << 5) & low) + (e >> 27) + (a # b # c) + w[t + 1] + 3395469782) & low;
      a := ((a << 30) & low) | (a >> 2);
      c := (c + ((d << 5) & low) + (d >> 27) + (e # a # b) + w[t + 2] + 3395469782) & low;
      e := ((e << 30) & low) | (e >> 2);
      b := (b + ((c << 5) & low) + (c >> 27) + (d # e # a) + w[t + 3] + 3395469782) & low;
      d := ((d << 30) & low) | (d >> 2);
      a := (a + ((b << 5) & low) + (b >> 27) + (c # d # e) + w[t + 4] + 3395469782) & low;
      c := ((c << 30) & low) | (c >> 2);
    END LOOP;
    h0 := (h0 + a) & low;
    h1 := (h1 + b) & low;
    h2 := (h2 + c) & low;
    h3 := (h3 + d) & low;
    h4 := (h4 + e) & low;
  END LOOP;
  RETURN substr(int8send(h0), 5) || substr(int8send(h1), 5) || substr(int8send(h2), 5) || substr(int8send(h3), 5)
    || substr(int8send(h4), 5);
END
$$;
CREATE FUNCTION auroractl_md5(data bytea)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.decode(pg_catalog.md5($1), 'hex');

CREATE FUNCTION auroractl_no_such_hash(name text)
RETURNS bytea
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE invalid_parameter_value USING
    MESSAGE = format('Cannot use "%s": No such hash algorithm', lower(name)),
    HINT = 'This is auroractl''s SQL version of pgcrypto, with md5, sha1, sha224, sha256, sha384 and sha512.'
      ' A PostgreSQL build with OpenSSL has more; auroractl describe-db-engine-versions lists the builds.';
END
$$;

CREATE FUNCTION digest(bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE pg_catalog.lower($2)
  WHEN 'sha256' THEN pg_catalog.sha256($1)
  WHEN 'sha1' THEN auroractl_sha1($1)
  WHEN 'md5' THEN auroractl_md5($1)
  WHEN 'sha512' THEN pg_catalog.sha512($1)
  WHEN 'sha224' THEN pg_catalog.sha224($1)
  WHEN 'sha384' THEN pg_catalog.sha384($1)
  ELSE auroractl_no_such_hash($2)
END;

CREATE FUNCTION digest(text, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN digest(auroractl_bytes($1), $2);

-- A key of at most one block, padded with zeros, each byte combined with another one (RFC 2104).
CREATE FUNCTION auroractl_hmac_pad(key bytea, block_bytes integer, pad text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  padded CONSTANT text := rpad(encode(key, 'hex'), 2 * block_bytes, '0');
BEGIN
  -- What is sent of a bit string is its length (4 bytes) and its bits.
  RETURN substr(varbit_send(('x' || padded)::varbit # ('x' || repeat(pad, block_bytes))::varbit), 5);
END
$$;

-- Written out for each hash: functions in SQL that call each other are slow before PostgreSQL 18.
CREATE FUNCTION hmac(bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE pg_catalog.lower($3)
  WHEN 'sha256' THEN
    pg_catalog.sha256(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 64 THEN pg_catalog.sha256($2) ELSE $2 END, 64, '5c')
      || pg_catalog.sha256(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 64 THEN pg_catalog.sha256($2) ELSE $2 END, 64, '36') || $1))
  WHEN 'sha1' THEN
    auroractl_sha1(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 64 THEN auroractl_sha1($2) ELSE $2 END, 64, '5c')
      || auroractl_sha1(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 64 THEN auroractl_sha1($2) ELSE $2 END, 64, '36') || $1))
  WHEN 'sha512' THEN
    pg_catalog.sha512(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 128 THEN pg_catalog.sha512($2) ELSE $2 END, 128, '5c')
      || pg_catalog.sha512(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 128 THEN pg_catalog.sha512($2) ELSE $2 END, 128, '36') || $1))
  WHEN 'md5' THEN
    auroractl_md5(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 64 THEN auroractl_md5($2) ELSE $2 END, 64, '5c')
      || auroractl_md5(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 64 THEN auroractl_md5($2) ELSE $2 END, 64, '36') || $1))
  WHEN 'sha224' THEN
    pg_catalog.sha224(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 64 THEN pg_catalog.sha224($2) ELSE $2 END, 64, '5c')
      || pg_catalog.sha224(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 64 THEN pg_catalog.sha224($2) ELSE $2 END, 64, '36') || $1))
  WHEN 'sha384' THEN
    pg_catalog.sha384(auroractl_hmac_pad(
      CASE WHEN pg_catalog.length($2) > 128 THEN pg_catalog.sha384($2) ELSE $2 END, 128, '5c')
      || pg_catalog.sha384(auroractl_hmac_pad(
        CASE WHEN pg_catalog.length($2) > 128 THEN pg_catalog.sha384($2) ELSE $2 END, 128, '36') || $1))
  ELSE auroractl_no_such_hash($3)
END;

CREATE FUNCTION hmac(text, text, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hmac(auroractl_bytes($1), auroractl_bytes($2), $3);

--
-- Random data
--

CREATE FUNCTION gen_random_uuid()
RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN pg_catalog.gen_random_uuid();

-- All bytes of a random UUID but the 7th and the 9th come from the server's strong random numbers as they are.
CREATE FUNCTION gen_random_bytes(integer)
RETURNS bytea
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  result bytea := '';
  random bytea;
BEGIN
  IF $1 < 1 OR $1 > 1024 THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'Length not in range';
  END IF;
  WHILE length(result) < $1 LOOP
    random := uuid_send(gen_random_uuid());
    result := result || substr(random, 1, 6) || substr(random, 8, 1) || substr(random, 10);
  END LOOP;
  RETURN substr(result, 1, $1);
END
$$;

--
-- Passwords
--

CREATE FUNCTION auroractl_salt(type text, wanted_rounds integer, random bytea)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  letters CONSTANT text := './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  bcrypt_letters CONSTANT text := './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  base64_letters CONSTANT text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  has_sha CONSTANT boolean := current_setting('server_version_num')::integer >= 180000;
  kind CONSTANT text := lower(type);
  rounds integer := wanted_rounds;
  salt text := '';
  fits boolean;
BEGIN
  IF kind NOT IN ('des', 'xdes', 'md5', 'bf') AND NOT (has_sha AND kind IN ('sha256crypt', 'sha512crypt')) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'gen_salt: Unknown salt algorithm';
  END IF;
  IF rounds = 0 THEN
    rounds := CASE kind WHEN 'des' THEN 25 WHEN 'xdes' THEN 725 WHEN 'md5' THEN 1000 WHEN 'bf' THEN 6 ELSE 5000 END;
  END IF;
  fits := CASE kind
    WHEN 'des' THEN rounds = 25
    -- Even numbers would make weak keys easier to notice.
    WHEN 'xdes' THEN rounds BETWEEN 1 AND 16777215 AND rounds % 2 = 1
    WHEN 'md5' THEN rounds = 1000
    WHEN 'bf' THEN rounds BETWEEN 4 AND 31
    ELSE rounds BETWEEN 1000 AND 999999999
  END;
  IF NOT fits THEN
    RAISE invalid_parameter_value USING MESSAGE = 'gen_salt: Incorrect number of rounds';
  END IF;
  FOR i IN 0 .. 15 LOOP
    salt := salt || substr(letters, (get_byte(random, i) & 63) + 1, 1);
  END LOOP;
  IF kind = 'des' THEN
    RETURN substr(salt, 1, 2);
  ELSIF kind = 'xdes' THEN
    RETURN '_' || substr(letters, (rounds & 63) + 1, 1) || substr(letters, ((rounds >> 6) & 63) + 1, 1)
      || substr(letters, ((rounds >> 12) & 63) + 1, 1) || substr(letters, ((rounds >> 18) & 63) + 1, 1)
      || substr(salt, 1, 4);
  ELSIF kind = 'md5' THEN
    RETURN '$1$' || substr(salt, 1, 8);
  ELSIF kind = 'bf' THEN
    RETURN '$2a$' || lpad(rounds::text, 2, '0') || '$'
      || translate(rtrim(encode(random, 'base64'), '='), base64_letters, bcrypt_letters);
  END IF;
  RETURN CASE kind WHEN 'sha256crypt' THEN '$5$' ELSE '$6$' END || 'rounds=' || rounds || '$' || salt;
END
$$;

CREATE FUNCTION gen_salt(text)
RETURNS text
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN auroractl_salt($1, 0, gen_random_bytes(16));

CREATE FUNCTION gen_salt(text, integer)
RETURNS text
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN auroractl_salt($1, $2, gen_random_bytes(16));

-- The hash that FreeBSD introduced: $1$salt$...
CREATE FUNCTION auroractl_crypt_md5(password bytea, setting text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  letters CONSTANT text := './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  -- Which bytes of the hash make up each group of letters; -1 is a byte of zeros.
  groups CONSTANT integer[] := '{{0,6,12},{1,7,13},{2,8,14},{3,9,15},{4,10,5},{-1,-1,11}}';
  salt CONSTANT text := substr(split_part(substr(setting, 4), '$', 1), 1, 8);
  salt_bytes CONSTANT bytea := decode(replace(salt, '\', '\\'), 'escape');
  password_bytes CONSTANT integer := length(password);
  hash bytea;
  message bytea;
  bits integer;
  result text := '';
BEGIN
  hash := decode(md5(password || salt_bytes || password), 'hex');
  message := password || '$1$'::bytea || salt_bytes;
  FOR i IN 0 .. password_bytes - 1 BY 16 LOOP
    message := message || substr(hash, 1, password_bytes - i);
  END LOOP;
  bits := password_bytes;
  WHILE bits > 0 LOOP
    message := message || CASE WHEN bits & 1 = 1 THEN '\x00'::bytea ELSE substr(password, 1, 1) END;
    bits := bits >> 1;
  END LOOP;
  hash := decode(md5(message), 'hex');
  FOR i IN 0 .. 999 LOOP
    message := CASE WHEN i & 1 = 1 THEN password ELSE hash END;
    IF i % 3 <> 0 THEN
      message := message || salt_bytes;
    END IF;
    IF i % 7 <> 0 THEN
      message := message || password;
    END IF;
    hash := decode(md5(message || CASE WHEN i & 1 = 1 THEN hash ELSE password END), 'hex');
  END LOOP;
  FOR i IN 1 .. 6 LOOP
    bits := get_byte(hash, groups[i][3]);
    IF i < 6 THEN
      bits := bits | (get_byte(hash, groups[i][1]) << 16) | (get_byte(hash, groups[i][2]) << 8);
    END IF;
    FOR j IN 0 .. CASE WHEN i < 6 THEN 3 ELSE 1 END LOOP
      result := result || substr(letters, ((bits >> (6 * j)) & 63) + 1, 1);
    END LOOP;
  END LOOP;
  RETURN '$1$' || salt || '$' || result;
END
$$;

-- SHA-crypt (https://www.akkadia.org/drepper/SHA-crypt.txt): $5$rounds=n$salt$..., $6$rounds=n$salt$...
CREATE FUNCTION auroractl_crypt_sha(password bytea, setting text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  letters CONSTANT text := './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  long CONSTANT boolean := starts_with(setting, '$6$');
  size CONSTANT integer := CASE WHEN long THEN 64 ELSE 32 END;
  password_bytes CONSTANT integer := length(password);
  parts CONSTANT text[] := regexp_match(setting, '^\$[56]\$(?:rounds=(\d{1,18})\$)?\$*(.*)$');
  rounds bigint := coalesce(parts[1], '5000')::bigint;
  salt text;
  salt_bytes bytea;
  alternate bytea;
  hash bytea;
  message bytea;
  password_sequence bytea := '';
  salt_sequence bytea;
  bits integer;
  a integer := 0;
  b integer := CASE WHEN long THEN 21 ELSE 10 END;
  c integer := CASE WHEN long THEN 42 ELSE 20 END;
  x integer;
  result text := '';
BEGIN
  IF starts_with(substr(setting, 4), 'rounds=') AND parts[1] IS NULL THEN
    RAISE syntax_error USING MESSAGE = 'could not parse salt options';
  END IF;
  IF parts[2] LIKE '%$5$%' OR parts[2] LIKE '%$6$%' THEN
    RAISE EXCEPTION USING MESSAGE = 'bogus magic byte found in salt string', ERRCODE = 'internal_error';
  ELSIF parts[2] LIKE '%rounds=%' THEN
    RAISE EXCEPTION USING MESSAGE = 'invalid rounds option specified in salt string', ERRCODE = 'internal_error';
  END IF;
  salt := substr(split_part(parts[2], '$', 1), 1, 16);
  IF salt ~ '[^./0-9A-Za-z]' THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('invalid character in salt string: "%s"', substring(salt FROM '[^./0-9A-Za-z]'));
  END IF;
  IF rounds > 999999999 THEN
    RAISE NOTICE 'rounds=% exceeds maximum supported value (999999999), using 999999999 instead', rounds;
    rounds := 999999999;
  ELSIF rounds < 1000 THEN
    RAISE NOTICE 'rounds=% is below supported value (1000), using 1000 instead', rounds;
    rounds := 1000;
  END IF;
  salt_bytes := salt::bytea;

  message := password || salt_bytes || password;
  alternate := CASE WHEN long THEN sha512(message) ELSE sha256(message) END;
  message := password || salt_bytes;
  FOR i IN 0 .. password_bytes - 1 BY size LOOP
    message := message || substr(alternate, 1, password_bytes - i);
  END LOOP;
  bits := password_bytes;
  WHILE bits > 0 LOOP
    message := message || CASE WHEN bits & 1 = 1 THEN alternate ELSE password END;
    bits := bits >> 1;
  END LOOP;
  hash := CASE WHEN long THEN sha512(message) ELSE sha256(message) END;

  message := decode(repeat(encode(password, 'hex'), password_bytes), 'hex');
  alternate := CASE WHEN long THEN sha512(message) ELSE sha256(message) END;
  FOR i IN 0 .. password_bytes - 1 BY size LOOP
    password_sequence := password_sequence || substr(alternate, 1, password_bytes - i);
  END LOOP;
  message := decode(repeat(encode(salt_bytes, 'hex'), 16 + get_byte(hash, 0)), 'hex');
  alternate := CASE WHEN long THEN sha512(message) ELSE sha256(message) END;
  salt_sequence := substr(alternate, 1, length(salt_bytes));

  FOR i IN 0 .. rounds::integer - 1 LOOP
    message := CASE WHEN i & 1 = 1 THEN password_sequence ELSE hash END;
    IF i % 3 <> 0 THEN
      message := message || salt_sequence;
    END IF;
    IF i % 7 <> 0 THEN
      message := message || password_sequence;
    END IF;
    message := message || CASE WHEN i & 1 = 1 THEN hash ELSE password_sequence END;
    hash := CASE WHEN long THEN sha512(message) ELSE sha256(message) END;
  END LOOP;

  -- Three bytes make four letters; the next three follow each other in another order. One or two bytes remain.
  FOR i IN 1 .. CASE WHEN long THEN 21 ELSE 10 END LOOP
    bits := (get_byte(hash, a) << 16) | (get_byte(hash, b) << 8) | get_byte(hash, c);
    FOR j IN 0 .. 3 LOOP
      result := result || substr(letters, ((bits >> (6 * j)) & 63) + 1, 1);
    END LOOP;
    x := a + 1;
    IF long THEN
      a := b + 1;
      b := c + 1;
      c := x;
    ELSE
      a := c + 1;
      c := b + 1;
      b := x;
    END IF;
  END LOOP;
  bits := CASE WHEN long THEN get_byte(hash, 63) ELSE (get_byte(hash, 31) << 8) | get_byte(hash, 30) END;
  FOR j IN 0 .. CASE WHEN long THEN 1 ELSE 2 END LOOP
    result := result || substr(letters, ((bits >> (6 * j)) & 63) + 1, 1);
  END LOOP;
  RETURN substr(setting, 1, 3) || coalesce('rounds=' || CASE WHEN parts[1] IS NOT NULL THEN rounds END || '$', '')
    || salt || '$' || result;
END
$$;

-- crypt(3) of old, and with more rounds and all letters of the password: _...
CREATE FUNCTION auroractl_crypt_des(password bytea, setting text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  letters CONSTANT text := './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  -- Permutations of FIPS 46-3: initial, final, and the two of the key.
  ip CONSTANT integer[] := '{
    58,50,42,34,26,18,10,2,60,52,44,36,28,20,12,4,62,54,46,38,30,22,14,6,64,56,48,40,32,24,16,8,57,49,41,33,25,17,
    9,1,59,51,43,35,27,19,11,3,61,53,45,37,29,21,13,5,63,55,47,39,31,23,15,7}';
  fp CONSTANT integer[] := '{
    40,8,48,16,56,24,64,32,39,7,47,15,55,23,63,31,38,6,46,14,54,22,62,30,37,5,45,13,53,21,61,29,36,4,44,12,52,20,
    60,28,35,3,43,11,51,19,59,27,34,2,42,10,50,18,58,26,33,1,41,9,49,17,57,25}';
  pc1 CONSTANT integer[] := '{
    57,49,41,33,25,17,9,1,58,50,42,34,26,18,10,2,59,51,43,35,27,19,11,3,60,52,44,36,63,55,47,39,31,23,15,7,62,54,
    46,38,30,22,14,6,61,53,45,37,29,21,13,5,28,20,12,4}';
  pc2 CONSTANT integer[] := '{
    14,17,11,24,1,5,3,28,15,6,21,10,23,19,12,4,26,8,16,7,27,20,13,2,41,52,31,37,47,55,30,40,51,45,33,48,44,49,39,
    56,34,53,46,42,50,36,29,32}';
  shifts CONSTANT integer[] := '{1,1,2,2,2,2,2,2,1,2,2,2,2,2,2,1}';
  -- The eight S-boxes, their outputs permuted (P) and expanded to 48 bits (E). Both halves are kept expanded,
  -- because E only copies bits.
  sp CONSTANT int8[] := '[0:511]={
    85920333824,0,20971520,85920333828,85920317444,20987908,4,20971520,16384,85920333824,85920333828,16384,
    85899362308,85920317444,85899345920,4,16388,85899362304,85899362304,20987904,20987904,85920317440,85920317440,
    85899362308,20971524,85899345924,85899345924,20971524,0,16388,20987908,85899345920,20971520,85920333828,4,
    85920317440,85920333824,85899345920,85899345920,16384,85920317444,20971520,20987904,85899345924,16384,4,
    85899362308,20987908,85920333828,20971524,85920317440,85899362308,85899345924,16388,20987908,85920333824,
    16388,85899362304,85899362304,0,20971524,20987904,0,85920317444,35185716363424,35184374185984,2097152,
    1344274592,1342177280,160,35185714266272,35184374186144,35184372088992,35185716363424,35185716363264,
    35184372088832,35184374185984,1342177280,160,35185714266272,1344274432,1342177440,35184374186144,0,
    35184372088832,2097152,1344274592,35185714266112,1342177440,35184372088992,0,1344274432,2097312,
    35185716363264,35185714266112,2097312,0,1344274592,35185714266272,1342177280,35184374186144,35185714266112,
    35185716363264,2097152,35185714266112,35184374185984,160,35185716363424,1344274592,160,2097152,35184372088832,
    2097312,35185716363264,1342177280,35184372088992,1342177440,35184374186144,35184372088992,1342177440,
    1344274432,0,35184374185984,2097312,35184372088832,35185714266272,35185716363424,1344274432,10248,
    549797767168,0,549797756936,549755824128,0,41953288,549755824128,41943048,549755813896,549755813896,41943040,
    549797767176,41943048,549797756928,10248,549755813888,8,549797767168,10240,41953280,549797756928,549797756936,
    41953288,549755824136,41953280,41943040,549755824136,8,549797767176,10240,549755813888,549797767168,
    549755813888,41943048,10248,41943040,549797767168,549755824128,0,10240,41943048,549797767176,549755824128,
    549755813896,10240,0,549797756936,549755824136,41943040,549755813888,549797767176,8,41953288,41953280,
    549755813896,549797756928,549755824136,10248,549797756928,41953288,8,549797756936,41953280,70377334767617,
    70368744833537,70368744833537,512,8590590464,70377334112769,70377334112257,70368744833025,0,8590589952,
    8590589952,70377334768129,70368744178177,0,8589935104,70377334112257,70368744177665,655360,8589934592,
    70377334767617,512,8589934592,70368744833025,655872,70377334112769,70368744177665,655872,8589935104,655360,
    8590590464,70377334768129,70368744178177,8589935104,70377334112257,8590589952,70377334768129,70368744178177,0,
    0,8590589952,655872,8589935104,70377334112769,70368744177665,70377334767617,70368744833537,70368744833537,512,
    70377334768129,70368744178177,70368744177665,655360,70377334112257,70368744833025,8590590464,70377334112769,
    70368744833025,655872,8589934592,70377334767617,512,8589934592,655360,8590590464,5120,171932914688,
    171932909568,17763984741376,134217728,5120,17592186044416,171932909568,17592320267264,134217728,171798696960,
    17592320267264,17763984741376,17764118953984,134222848,17592186044416,171798691840,17592320262144,
    17592320262144,0,17592186049536,17764118959104,17764118959104,171798696960,17764118953984,17592186049536,0,
    17763984736256,171932914688,171798691840,17763984736256,134222848,134217728,17763984741376,5120,171798691840,
    17592186044416,171932909568,17763984741376,17592320267264,171798696960,17592186044416,17764118953984,
    171932914688,17592320267264,5120,171798691840,17764118953984,17764118959104,134222848,17763984736256,
    17764118959104,171932909568,0,17592320262144,17763984736256,134222848,171798696960,17592186049536,134217728,0,
    17592320262144,171932914688,17592186049536,10995116277840,10999411245056,1048576,10999412293712,
    10999411245056,80,10999412293712,4294967296,10995117326336,4296015952,4294967296,10995116277840,4294967376,
    10995117326336,10995116277760,1048656,0,4294967376,10995117326416,1048576,4296015872,10995117326416,80,
    10999411245136,10999411245136,0,4296015952,10999412293632,1048656,4296015872,10999412293632,10995116277760,
    10995117326336,80,10999411245136,4296015872,10999412293712,4294967296,1048656,10995116277840,4294967296,
    10995117326336,10995116277760,1048656,10995116277840,10999412293712,4296015872,10999411245056,4296015952,
    10999412293632,0,10999411245136,80,1048576,10999411245056,4296015952,1048576,4294967376,10995117326416,0,
    10999412293632,10995116277760,4294967376,10995117326416,2684354560,141015050616834,141012366295042,0,32768,
    141012366295042,140740172742658,277562294272,141015050649602,2684354560,0,141012366262274,140737488355330,
    274877906944,141015050616834,140737488388098,274877939712,140740172742658,140740172709890,274877939712,
    141012366262274,277562261504,277562294272,140740172709890,277562261504,32768,140737488388098,141015050649602,
    2684387328,140737488355330,274877906944,2684387328,274877906944,2684387328,2684354560,141012366295042,
    141012366295042,141015050616834,141015050616834,140737488355330,140740172709890,274877906944,274877939712,
    2684354560,277562294272,140737488388098,140740172742658,277562294272,140737488388098,141012366262274,
    141015050649602,277562261504,2684387328,0,140737488355330,141015050649602,0,140740172742658,277562261504,
    32768,141012366262274,274877939712,32768,140740172709890,5497558466816,327680,67108864,5497625575680,
    5497558138880,5497558466816,256,5497558138880,67109120,5497625247744,5497625575680,67436544,5497625575424,
    67436800,327680,256,5497625247744,5497558139136,5497558466560,327936,67436544,67109120,5497625248000,
    5497625575424,327936,0,0,5497625248000,5497558139136,5497558466560,67436800,67108864,67436800,67108864,
    5497625575424,327680,256,5497625248000,327680,67436800,5497558466560,256,5497558139136,5497625247744,
    5497625248000,5497558138880,67108864,5497558466816,0,5497625575680,67109120,5497558139136,5497625247744,
    5497558466560,5497558466816,0,5497625575680,67436544,67436544,327936,327936,67109120,5497558138880,
    5497625575424}';
  extended CONSTANT boolean := starts_with(setting, '_');
  settings CONSTANT bytea := decode(replace(setting, '\', '\\'), 'escape');
  password_bytes CONSTANT integer := length(password);
  salt integer := 0;
  count integer := 25;
  used_bytes integer := 8;
  key int8 := 0;
  block int8;
  swapped int8;
  rounds integer;
  c int8;
  d int8;
  k int8[] := array_fill(0::int8, ARRAY[16], ARRAY[0]);
  l int8;
  r int8;
  f int8;
  x int8;
  result text := '';
BEGIN
  IF length(settings) < (CASE WHEN extended THEN 9 ELSE 2 END) THEN
    RAISE invalid_parameter_value USING MESSAGE = 'invalid salt';
  END IF;
  IF extended THEN
    count := 0;
    FOR i IN 0 .. 3 LOOP
      -- What is not one of the letters counts as the first one.
      count := count | (greatest(strpos(letters, chr(least(get_byte(settings, i + 1), 127))) - 1, 0) << (6 * i));
      salt := salt | (greatest(strpos(letters, chr(least(get_byte(settings, i + 5), 127))) - 1, 0) << (6 * i));
    END LOOP;
  ELSE
    FOR i IN 0 .. 1 LOOP
      salt := salt | (greatest(strpos(letters, chr(least(get_byte(settings, i), 127))) - 1, 0) << (6 * i));
    END LOOP;
  END IF;
  IF count = 0 THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'crypt(3) returned NULL';
  END IF;
  FOR i IN 0 .. 7 LOOP
    key := (key << 8) | CASE WHEN i < password_bytes THEN (get_byte(password, i) << 1) & 255 ELSE 0 END;
  END LOOP;
  LOOP
    -- The round keys.
    x := 0;
    FOR i IN 1 .. 56 LOOP
      x := (x << 1) | ((key >> (64 - pc1[i])) & 1);
    END LOOP;
    c := x >> 28;
    d := x & 268435455;
    FOR i IN 1 .. 16 LOOP
      c := ((c << shifts[i]) | (c >> (28 - shifts[i]))) & 268435455;
      d := ((d << shifts[i]) | (d >> (28 - shifts[i]))) & 268435455;
      f := (c << 28) | d;
      x := 0;
      FOR j IN 1 .. 48 LOOP
        x := (x << 1) | ((f >> (56 - pc2[j])) & 1);
      END LOOP;
      k[i - 1] := x;
    END LOOP;

    -- More letters than eight: the key is encrypted with itself, without salt, and combined with the next eight.
    IF extended AND used_bytes < password_bytes THEN
      block := key;
      rounds := 1;
      swapped := 0;
    ELSE
      block := 0;
      rounds := count;
      swapped := 0;
      FOR i IN 0 .. 23 LOOP
        swapped := (swapped << 1) | ((salt >> i) & 1);
      END LOOP;
    END IF;
    x := 0;
    FOR i IN 1 .. 64 LOOP
      x := (x << 1) | ((block >> (64 - ip[i])) & 1);
    END LOOP;
    l := 0;
    r := 0;
    FOR i IN 0 .. 7 LOOP
      -- Four bits with their neighbours, around the ends.
      f := (x >> 32) & 4294967295;
      f := (f << 33) | (f << 1) | (f >> 31);
      l := (l << 6) | ((f >> (28 - 4 * i)) & 63);
      f := x & 4294967295;
      f := (f << 33) | (f << 1) | (f >> 31);
      r := (r << 6) | ((f >> (28 - 4 * i)) & 63);
    END LOOP;
    FOR i IN 1 .. rounds LOOP
      FOR j IN 0 .. 14 BY 2 LOOP
        f := ((r >> 24) # r) & swapped;
        x := r # f # (f << 24) # k[j];
        l := l # sp[x >> 42] # sp[((x >> 36) & 63) | 64] # sp[((x >> 30) & 63) | 128]
          # sp[((x >> 24) & 63) | 192] # sp[((x >> 18) & 63) | 256] # sp[((x >> 12) & 63) | 320]
          # sp[((x >> 6) & 63) | 384] # sp[(x & 63) | 448];
        f := ((l >> 24) # l) & swapped;
        x := l # f # (f << 24) # k[j + 1];
        r := r # sp[x >> 42] # sp[((x >> 36) & 63) | 64] # sp[((x >> 30) & 63) | 128]
          # sp[((x >> 24) & 63) | 192] # sp[((x >> 18) & 63) | 256] # sp[((x >> 12) & 63) | 320]
          # sp[((x >> 6) & 63) | 384] # sp[(x & 63) | 448];
      END LOOP;
      x := l;
      l := r;
      r := x;
    END LOOP;
    f := 0;
    FOR i IN 0 .. 7 LOOP
      f := (f << 4) | ((l >> (43 - 6 * i)) & 15);
    END LOOP;
    FOR i IN 0 .. 7 LOOP
      f := (f << 4) | ((r >> (43 - 6 * i)) & 15);
    END LOOP;
    block := 0;
    FOR i IN 1 .. 64 LOOP
      block := (block << 1) | ((f >> (64 - fp[i])) & 1);
    END LOOP;
    EXIT WHEN NOT extended OR used_bytes >= password_bytes;

    key := 0;
    FOR i IN 0 .. 7 LOOP
      key := (key << 8) | CASE
        WHEN used_bytes + i < password_bytes THEN (get_byte(password, used_bytes + i) << 1) & 255 ELSE 0
      END;
    END LOOP;
    key := key # block;
    used_bytes := used_bytes + 8;
  END LOOP;
  FOR i IN 0 .. 9 LOOP
    result := result || substr(letters, ((block >> (58 - 6 * i)) & 63)::integer + 1, 1);
  END LOOP;
  result := result || substr(letters, ((block & 15) << 2)::integer + 1, 1);
  RETURN substr(setting, 1, CASE WHEN extended THEN 9 ELSE 2 END) || result;
END
$$;

-- The boxes of Blowfish: the digits of pi. 0 to 3 are the S-boxes, 4 the P-array.
CREATE FUNCTION auroractl_blowfish_box(integer)
RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE $1
    WHEN 0 THEN
      RETURN '[0:255]={
        3509652390,2564797868,805139163,3491422135,3101798381,1780907670,3128725573,4046225305,614570311,3012652279,
        134345442,2240740374,1667834072,1901547113,2757295779,4103290238,227898511,1921955416,1904987480,2182433518,
        2069144605,3260701109,2620446009,720527379,3318853667,677414384,3393288472,3101374703,2390351024,1614419982,
        1822297739,2954791486,3608508353,3174124327,2024746970,1432378464,3864339955,2857741204,1464375394,1676153920,
        1439316330,715854006,3033291828,289532110,2706671279,2087905683,3018724369,1668267050,732546397,1947742710,
        3462151702,2609353502,2950085171,1814351708,2050118529,680887927,999245976,1800124847,3300911131,1713906067,
        1641548236,4213287313,1216130144,1575780402,4018429277,3917837745,3693486850,3949271944,596196993,3549867205,
        258830323,2213823033,772490370,2760122372,1774776394,2652871518,566650946,4142492826,1728879713,2882767088,
        1783734482,3629395816,2517608232,2874225571,1861159788,326777828,3124490320,2130389656,2716951837,967770486,
        1724537150,2185432712,2364442137,1164943284,2105845187,998989502,3765401048,2244026483,1075463327,1455516326,
        1322494562,910128902,469688178,1117454909,936433444,3490320968,3675253459,1240580251,122909385,2157517691,
        634681816,4142456567,3825094682,3061402683,2540495037,79693498,3249098678,1084186820,1583128258,426386531,
        1761308591,1047286709,322548459,995290223,1845252383,2603652396,3431023940,2942221577,3202600964,3727903485,
        1712269319,422464435,3234572375,1170764815,3523960633,3117677531,1434042557,442511882,3600875718,1076654713,
        1738483198,4213154764,2393238008,3677496056,1014306527,4251020053,793779912,2902807211,842905082,4246964064,
        1395751752,1040244610,2656851899,3396308128,445077038,3742853595,3577915638,679411651,2892444358,2354009459,
        1767581616,3150600392,3791627101,3102740896,284835224,4246832056,1258075500,768725851,2589189241,3069724005,
        3532540348,1274779536,3789419226,2764799539,1660621633,3471099624,4011903706,913787905,3497959166,737222580,
        2514213453,2928710040,3937242737,1804850592,3499020752,2949064160,2386320175,2390070455,2415321851,4061277028,
        2290661394,2416832540,1336762016,1754252060,3520065937,3014181293,791618072,3188594551,3933548030,2332172193,
        3852520463,3043980520,413987798,3465142937,3030929376,4245938359,2093235073,3534596313,375366246,2157278981,
        2479649556,555357303,3870105701,2008414854,3344188149,4221384143,3956125452,2067696032,3594591187,2921233993,
        2428461,544322398,577241275,1471733935,610547355,4027169054,1432588573,1507829418,2025931657,3646575487,
        545086370,48609733,2200306550,1653985193,298326376,1316178497,3007786442,2064951626,458293330,2589141269,
        3591329599,3164325604,727753846,2179363840,146436021,1461446943,4069977195,705550613,3059967265,3887724982,
        4281599278,3313849956,1404054877,2845806497,146425753,1854211946}';
    WHEN 1 THEN
      RETURN '[0:255]={
        1266315497,3048417604,3681880366,3289982499,2909710000,1235738493,2632868024,2414719590,3970600049,1771706367,
        1449415276,3266420449,422970021,1963543593,2690192192,3826793022,1062508698,1531092325,1804592342,2583117782,
        2714934279,4024971509,1294809318,4028980673,1289560198,2221992742,1669523910,35572830,157838143,1052438473,
        1016535060,1802137761,1753167236,1386275462,3080475397,2857371447,1040679964,2145300060,2390574316,1461121720,
        2956646967,4031777805,4028374788,33600511,2920084762,1018524850,629373528,3691585981,3515945977,2091462646,
        2486323059,586499841,988145025,935516892,3367335476,2599673255,2839830854,265290510,3972581182,2759138881,
        3795373465,1005194799,847297441,406762289,1314163512,1332590856,1866599683,4127851711,750260880,613907577,
        1450815602,3165620655,3734664991,3650291728,3012275730,3704569646,1427272223,778793252,1343938022,2676280711,
        2052605720,1946737175,3164576444,3914038668,3967478842,3682934266,1661551462,3294938066,4011595847,840292616,
        3712170807,616741398,312560963,711312465,1351876610,322626781,1910503582,271666773,2175563734,1594956187,
        70604529,3617834859,1007753275,1495573769,4069517037,2549218298,2663038764,504708206,2263041392,3941167025,
        2249088522,1514023603,1998579484,1312622330,694541497,2582060303,2151582166,1382467621,776784248,2618340202,
        3323268794,2497899128,2784771155,503983604,4076293799,907881277,423175695,432175456,1378068232,4145222326,
        3954048622,3938656102,3820766613,2793130115,2977904593,26017576,3274890735,3194772133,1700274565,1756076034,
        4006520079,3677328699,720338349,1533947780,354530856,688349552,3973924725,1637815568,332179504,3949051286,
        53804574,2852348879,3044236432,1282449977,3583942155,3416972820,4006381244,1617046695,2628476075,3002303598,
        1686838959,431878346,2686675385,1700445008,1080580658,1009431731,832498133,3223435511,2605976345,2271191193,
        2516031870,1648197032,4164389018,2548247927,300782431,375919233,238389289,3353747414,2531188641,2019080857,
        1475708069,455242339,2609103871,448939670,3451063019,1395535956,2413381860,1841049896,1491858159,885456874,
        4264095073,4001119347,1565136089,3898914787,1108368660,540939232,1173283510,2745871338,3681308437,4207628240,
        3343053890,4016749493,1699691293,1103962373,3625875870,2256883143,3830138730,1031889488,3479347698,1535977030,
        4236805024,3251091107,2132092099,1774941330,1199868427,1452454533,157007616,2904115357,342012276,595725824,
        1480756522,206960106,497939518,591360097,863170706,2375253569,3596610801,1814182875,2094937945,3421402208,
        1082520231,3463918190,2785509508,435703966,3908032597,1641649973,2842273706,3305899714,1510255612,2148256476,
        2655287854,3276092548,4258621189,236887753,3681803219,274041037,1734335097,3815195456,3317970021,1899903192,
        1026095262,4050517792,356393447,2410691914,3873677099,3682840055}';
    WHEN 2 THEN
      RETURN '[0:255]={
        3913112168,2491498743,4132185628,2489919796,1091903735,1979897079,3170134830,3567386728,3557303409,857797738,
        1136121015,1342202287,507115054,2535736646,337727348,3213592640,1301675037,2528481711,1895095763,1721773893,
        3216771564,62756741,2142006736,835421444,2531993523,1442658625,3659876326,2882144922,676362277,1392781812,
        170690266,3921047035,1759253602,3611846912,1745797284,664899054,1329594018,3901205900,3045908486,2062866102,
        2865634940,3543621612,3464012697,1080764994,553557557,3656615353,3996768171,991055499,499776247,1265440854,
        648242737,3940784050,980351604,3713745714,1749149687,3396870395,4211799374,3640570775,1161844396,3125318951,
        1431517754,545492359,4268468663,3499529547,1437099964,2702547544,3433638243,2581715763,2787789398,1060185593,
        1593081372,2418618748,4260947970,69676912,2159744348,86519011,2512459080,3838209314,1220612927,3339683548,
        133810670,1090789135,1078426020,1569222167,845107691,3583754449,4072456591,1091646820,628848692,1613405280,
        3757631651,526609435,236106946,48312990,2942717905,3402727701,1797494240,859738849,992217954,4005476642,
        2243076622,3870952857,3732016268,765654824,3490871365,2511836413,1685915746,3888969200,1414112111,2273134842,
        3281911079,4080962846,172450625,2569994100,980381355,4109958455,2819808352,2716589560,2568741196,3681446669,
        3329971472,1835478071,660984891,3704678404,4045999559,3422617507,3040415634,1762651403,1719377915,3470491036,
        2693910283,3642056355,3138596744,1364962596,2073328063,1983633131,926494387,3423689081,2150032023,4096667949,
        1749200295,3328846651,309677260,2016342300,1779581495,3079819751,111262694,1274766160,443224088,298511866,
        1025883608,3806446537,1145181785,168956806,3641502830,3584813610,1689216846,3666258015,3200248200,1692713982,
        2646376535,4042768518,1618508792,1610833997,3523052358,4130873264,2001055236,3610705100,2202168115,4028541809,
        2961195399,1006657119,2006996926,3186142756,1430667929,3210227297,1314452623,4074634658,4101304120,2273951170,
        1399257539,3367210612,3027628629,1190975929,2062231137,2333990788,2221543033,2438960610,1181637006,548689776,
        2362791313,3372408396,3104550113,3145860560,296247880,1970579870,3078560182,3769228297,1714227617,3291629107,
        3898220290,166772364,1251581989,493813264,448347421,195405023,2709975567,677966185,3703036547,1463355134,
        2715995803,1338867538,1343315457,2802222074,2684532164,233230375,2599980071,2000651841,3277868038,1638401717,
        4028070440,3237316320,6314154,819756386,300326615,590932579,1405279636,3267499572,3150704214,2428286686,
        3959192993,3461946742,1862657033,1266418056,963775037,2089974820,2263052895,1917689273,448879540,3550394620,
        3981727096,150775221,3627908307,1303187396,508620638,2975983352,2726630617,1817252668,1876281319,1457606340,
        908771278,3720792119,3617206836,2455994898,1729034894,1080033504}';
    WHEN 3 THEN
      RETURN '[0:255]={
        976866871,3556439503,2881648439,1522871579,1555064734,1336096578,3548522304,2579274686,3574697629,3205460757,
        3593280638,3338716283,3079412587,564236357,2993598910,1781952180,1464380207,3163844217,3332601554,1699332808,
        1393555694,1183702653,3581086237,1288719814,691649499,2847557200,2895455976,3193889540,2717570544,1781354906,
        1676643554,2592534050,3230253752,1126444790,2770207658,2633158820,2210423226,2615765581,2414155088,3127139286,
        673620729,2805611233,1269405062,4015350505,3341807571,4149409754,1057255273,2012875353,2162469141,2276492801,
        2601117357,993977747,3918593370,2654263191,753973209,36408145,2530585658,25011837,3520020182,2088578344,
        530523599,2918365339,1524020338,1518925132,3760827505,3759777254,1202760957,3985898139,3906192525,674977740,
        4174734889,2031300136,2019492241,3983892565,4153806404,3822280332,352677332,2297720250,60907813,90501309,
        3286998549,1016092578,2535922412,2839152426,457141659,509813237,4120667899,652014361,1966332200,2975202805,
        55981186,2327461051,676427537,3255491064,2882294119,3433927263,1307055953,942726286,933058658,2468411793,
        3933900994,4215176142,1361170020,2001714738,2830558078,3274259782,1222529897,1679025792,2729314320,3714953764,
        1770335741,151462246,3013232138,1682292957,1483529935,471910574,1539241949,458788160,3436315007,1807016891,
        3718408830,978976581,1043663428,3165965781,1927990952,4200891579,2372276910,3208408903,3533431907,1412390302,
        2931980059,4132332400,1947078029,3881505623,4168226417,2941484381,1077988104,1320477388,886195818,18198404,
        3786409000,2509781533,112762804,3463356488,1866414978,891333506,18488651,661792760,1628790961,3885187036,
        3141171499,876946877,2693282273,1372485963,791857591,2686433993,3759982718,3167212022,3472953795,2716379847,
        445679433,3561995674,3504004811,3574258232,54117162,3331405415,2381918588,3769707343,4154350007,1140177722,
        4074052095,668550556,3214352940,367459370,261225585,2610173221,4209349473,3468074219,3265815641,314222801,
        3066103646,3808782860,282218597,3406013506,3773591054,379116347,1285071038,846784868,2669647154,3771962079,
        3550491691,2305946142,453669953,1268987020,3317592352,3279303384,3744833421,2610507566,3859509063,266596637,
        3847019092,517658769,3462560207,3443424879,370717030,4247526661,2224018117,4143653529,4112773975,2788324899,
        2477274417,1456262402,2901442914,1517677493,1846949527,2295493580,3734397586,2176403920,1280348187,1908823572,
        3871786941,846861322,1172426758,3287448474,3383383037,1655181056,3139813346,901632758,1897031941,2986607138,
        3066810236,3447102507,1393639104,373351379,950779232,625454576,3124240540,4148612726,2007998917,544563296,
        2244738638,2330496472,2058025392,1291430526,424198748,50039436,29584100,3605783033,2429876329,2791104160,
        1057563949,3255363231,3075367218,3463963227,1469046755,985887462}';
    WHEN 4 THEN
      RETURN '[0:17]={
        608135816,2242054355,320440878,57701188,2752067618,698298832,137296536,3964562569,1160258022,953160567,
        3193202383,887688300,3232508343,3380367581,1065670069,3041331479,2450970073,2306472731}';
  END CASE;
END
$$;

/* Blowfish, and the slow set-up of its key that is bcrypt: `passes` over the boxes, the first one with the salt and
   then with the key and the salt in turn. Encrypts each block `repeats` times. `signed_bytes` are those of an old
   mistake: a key's byte above 127 sets all bits before it. */
CREATE FUNCTION auroractl_blowfish(
  data bytea, key bytea, iv bytea, mode text, decrypts boolean, salt bytea, passes int8, repeats integer,
  signed_bytes boolean, box0 int8[], box1 int8[], box2 int8[], box3 int8[], box4 int8[])
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  low CONSTANT int8 := 4294967295;
  no_salt CONSTANT int8[] := '[0:3]={0,0,0,0}';
  padded CONSTANT bytea := data || decode(repeat('00', (8 - length(data) % 8) % 8), 'hex');
  start CONSTANT bytea := substr(iv || '\x0000000000000000'::bytea, 1, 8);
  s0 int8[] := box0;
  s1 int8[] := box1;
  s2 int8[] := box2;
  s3 int8[] := box3;
  p int8[] := box4;
  key_words int8[] := array_fill(0::int8, ARRAY[18], ARRAY[0]);
  salt_words int8[] := no_salt;
  mix int8[];
  pass int8 := 1;
  p0 int8;
  p1 int8;
  p2 int8;
  p3 int8;
  p4 int8;
  p5 int8;
  p6 int8;
  p7 int8;
  p8 int8;
  p9 int8;
  p10 int8;
  p11 int8;
  p12 int8;
  p13 int8;
  p14 int8;
  p15 int8;
  p16 int8;
  p17 int8;
  l int8 := 0;
  r int8 := 0;
  x int8;
  y int8;
  feedback_l int8 := 0;
  feedback_r int8 := 0;
  blocks text[] := '{}';
BEGIN
  FOR i IN 0 .. 3 LOOP
    salt_words[i] := (get_byte(salt, 4 * i)::int8 << 24) | (get_byte(salt, 4 * i + 1) << 16)
      | (get_byte(salt, 4 * i + 2) << 8) | get_byte(salt, 4 * i + 3);
  END LOOP;
  FOR i IN 0 .. 71 LOOP
    x := get_byte(key, i % length(key));
    IF signed_bytes AND x > 127 THEN
      x := x | 4294967040;
    END IF;
    key_words[i / 4] := ((key_words[i / 4] << 8) & low) | x;
  END LOOP;

  mix := salt_words;
  WHILE pass <= passes LOOP
    FOR i IN 0 .. 17 LOOP
      p[i] := p[i] # CASE WHEN pass % 2 = 0 OR pass = 1 THEN key_words[i] ELSE salt_words[i % 4] END;
    END LOOP;
    l := 0;
    r := 0;
    FOR i IN 0 .. 16 BY 2 LOOP
      l := l # p[0] # mix[i & 3];
      r := r # mix[(i & 3) + 1];
      r := (r # p[1] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[2] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[3] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[4] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[5] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[6] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[7] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[8] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[9] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[10] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[11] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[12] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[13] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[14] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p[15] # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p[16] # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      x := l;
      l := r # p[17];
      r := x;
      p[i] := l;
      p[i + 1] := r;
    END LOOP;
    p0 := p[0];
    p1 := p[1];
    p2 := p[2];
    p3 := p[3];
    p4 := p[4];
    p5 := p[5];
    p6 := p[6];
    p7 := p[7];
    p8 := p[8];
    p9 := p[9];
    p10 := p[10];
    p11 := p[11];
    p12 := p[12];
    p13 := p[13];
    p14 := p[14];
    p15 := p[15];
    p16 := p[16];
    p17 := p[17];
    FOR i IN 0 .. 254 BY 2 LOOP
      l := l # p0 # mix[(i + 2) & 3];
      r := r # mix[((i + 2) & 3) + 1];
      r := (r # p1 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p2 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p3 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p4 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p5 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p6 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p7 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p8 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p9 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p10 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p11 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p12 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p13 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p14 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p15 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p16 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      x := l;
      l := r # p17;
      r := x;
      s0[i] := l;
      s0[i + 1] := r;
    END LOOP;
    FOR i IN 0 .. 254 BY 2 LOOP
      l := l # p0 # mix[(i + 2) & 3];
      r := r # mix[((i + 2) & 3) + 1];
      r := (r # p1 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p2 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p3 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p4 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p5 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p6 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p7 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p8 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p9 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p10 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p11 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p12 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p13 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p14 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p15 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p16 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      x := l;
      l := r # p17;
      r := x;
      s1[i] := l;
      s1[i + 1] := r;
    END LOOP;
    FOR i IN 0 .. 254 BY 2 LOOP
      l := l # p0 # mix[(i + 2) & 3];
      r := r # mix[((i + 2) & 3) + 1];
      r := (r # p1 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p2 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p3 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p4 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p5 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p6 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p7 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p8 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p9 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p10 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p11 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p12 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p13 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p14 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p15 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p16 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      x := l;
      l := r # p17;
      r := x;
      s2[i] := l;
      s2[i + 1] := r;
    END LOOP;
    FOR i IN 0 .. 254 BY 2 LOOP
      l := l # p0 # mix[(i + 2) & 3];
      r := r # mix[((i + 2) & 3) + 1];
      r := (r # p1 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p2 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p3 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p4 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p5 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p6 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p7 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p8 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p9 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p10 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p11 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p12 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p13 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p14 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p15 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p16 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      x := l;
      l := r # p17;
      r := x;
      s3[i] := l;
      s3[i + 1] := r;
    END LOOP;
    mix := no_salt;
    pass := pass + 1;
  END LOOP;

  IF decrypts AND mode <> 'cfb' THEN
    FOR i IN 0 .. 17 LOOP
      key_words[i] := p[17 - i];
    END LOOP;
    p := key_words;
    p0 := p[0];
    p1 := p[1];
    p2 := p[2];
    p3 := p[3];
    p4 := p[4];
    p5 := p[5];
    p6 := p[6];
    p7 := p[7];
    p8 := p[8];
    p9 := p[9];
    p10 := p[10];
    p11 := p[11];
    p12 := p[12];
    p13 := p[13];
    p14 := p[14];
    p15 := p[15];
    p16 := p[16];
    p17 := p[17];
  END IF;
  IF mode <> 'ecb' THEN
    feedback_l := (get_byte(start, 0)::int8 << 24) | (get_byte(start, 1) << 16) | (get_byte(start, 2) << 8)
      | get_byte(start, 3);
    feedback_r := (get_byte(start, 4)::int8 << 24) | (get_byte(start, 5) << 16) | (get_byte(start, 6) << 8)
      | get_byte(start, 7);
  END IF;
  FOR o IN 0 .. length(padded) - 8 BY 8 LOOP
    x := (get_byte(padded, o)::int8 << 24) | (get_byte(padded, o + 1) << 16) | (get_byte(padded, o + 2) << 8)
      | get_byte(padded, o + 3);
    y := (get_byte(padded, o + 4)::int8 << 24) | (get_byte(padded, o + 5) << 16) | (get_byte(padded, o + 6) << 8)
      | get_byte(padded, o + 7);
    l := CASE WHEN mode = 'cfb' THEN feedback_l WHEN decrypts THEN x ELSE x # feedback_l END;
    r := CASE WHEN mode = 'cfb' THEN feedback_r WHEN decrypts THEN y ELSE y # feedback_r END;
    FOR i IN 1 .. repeats LOOP
      l := l # p0;
      r := (r # p1 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p2 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p3 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p4 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p5 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p6 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p7 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p8 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p9 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p10 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p11 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p12 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p13 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p14 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      r := (r # p15 # (((s0[l >> 24] + s1[(l >> 16) & 255]) # s2[(l >> 8) & 255]) + s3[l & 255])) & low;
      l := (l # p16 # (((s0[r >> 24] + s1[(r >> 16) & 255]) # s2[(r >> 8) & 255]) + s3[r & 255])) & low;
      -- The two halves change places.
      r := r # p17;
      l := l # r;
      r := l # r;
      l := l # r;
    END LOOP;
    IF mode = 'cfb' THEN
      l := l # x;
      r := r # y;
      feedback_l := CASE WHEN decrypts THEN x ELSE l END;
      feedback_r := CASE WHEN decrypts THEN y ELSE r END;
    ELSIF mode = 'cbc' THEN
      IF decrypts THEN
        l := l # feedback_l;
        r := r # feedback_r;
        feedback_l := x;
        feedback_r := y;
      ELSE
        feedback_l := l;
        feedback_r := r;
      END IF;
    END IF;
    blocks[o / 8] := encode(int8send((l << 32) | r), 'hex');
  END LOOP;
  RETURN substr(decode(array_to_string(blocks, ''), 'hex'), 1, length(data));
END
$$;

CREATE FUNCTION auroractl_bcrypt_salt(setting text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bcrypt_letters CONSTANT text := './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  base64_letters CONSTANT text := 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
BEGIN
  IF setting !~ '^\$2[ax]\$(0[4-9]|[12][0-9]|3[01])\$[./0-9A-Za-z]{22}' THEN
    RAISE invalid_parameter_value USING MESSAGE = 'invalid salt';
  END IF;
  RETURN decode(translate(substr(setting, 8, 22), bcrypt_letters, base64_letters) || '==', 'base64');
END
$$;

CREATE FUNCTION auroractl_bcrypt_text(bytea)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.translate(pg_catalog.rtrim(pg_catalog.encode($1, 'base64'), '='),
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
  './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789');

-- bcrypt: $2a$06$... and $2x$06$..., whose passes over the boxes double with each step of the number.
CREATE FUNCTION auroractl_crypt_bcrypt(password bytea, setting text, salt bytea)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.substr($2, 1, 7) || auroractl_bcrypt_text($3) || auroractl_bcrypt_text(pg_catalog.substr(
  auroractl_blowfish('OrpheanBeholderScryDoubt'::pg_catalog.bytea, $1 || '\x00'::pg_catalog.bytea,
    ''::pg_catalog.bytea, 'ecb', false, $3, 1 + (2::int8 << pg_catalog.substr($2, 5, 2)::integer), 64,
    pg_catalog.starts_with($2, '$2x$'), auroractl_blowfish_box(0), auroractl_blowfish_box(1),
    auroractl_blowfish_box(2), auroractl_blowfish_box(3), auroractl_blowfish_box(4)), 1, 23));

CREATE FUNCTION auroractl_crypt_unknown()
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE external_routine_invocation_exception USING MESSAGE = 'crypt(3) returned NULL';
END
$$;

CREATE FUNCTION crypt(text, text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
  WHEN pg_catalog.starts_with($2, '$2a$') OR pg_catalog.starts_with($2, '$2x$') THEN
    auroractl_crypt_bcrypt(auroractl_bytes($1), $2, auroractl_bcrypt_salt($2))
  WHEN pg_catalog.starts_with($2, '$2$') THEN auroractl_crypt_unknown()
  WHEN pg_catalog.starts_with($2, '$1$') THEN auroractl_crypt_md5(auroractl_bytes($1), $2)
  -- PostgreSQL 18 added these two.
  WHEN (pg_catalog.starts_with($2, '$5$') OR pg_catalog.starts_with($2, '$6$'))
    AND pg_catalog.current_setting('server_version_num')::integer >= 180000 THEN
    auroractl_crypt_sha(auroractl_bytes($1), $2)
  ELSE auroractl_crypt_des(auroractl_bytes($1), $2)
END;

--
-- Raw encryption
--

-- The parts of a name such as aes-cbc/pad:pkcs: algorithm, mode and padding.
CREATE FUNCTION auroractl_cipher(type text)
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  parts CONSTANT text[] := string_to_array(lower(type), '/');
  padding text := 'pkcs';
  problem text;
  cipher text[];
BEGIN
  FOR i IN 2 .. cardinality(parts) LOOP
    CONTINUE WHEN parts[i] = '';
    IF strpos(parts[i], ':') = 0 THEN
      problem := coalesce(problem, 'Badly formatted type');
    ELSIF split_part(parts[i], ':', 1) <> 'pad' THEN
      problem := coalesce(problem, 'Unknown option');
    END IF;
    padding := substr(parts[i], 5);
  END LOOP;
  cipher := CASE
    WHEN parts[1] IN ('aes', 'aes-cbc', 'rijndael', 'rijndael-cbc') THEN '{aes,cbc}'
    WHEN parts[1] IN ('aes-ecb', 'rijndael-ecb') THEN '{aes,ecb}'
    WHEN parts[1] IN ('bf', 'bf-cbc', 'blowfish', 'blowfish-cbc') THEN '{bf,cbc}'
    WHEN parts[1] IN ('bf-ecb', 'blowfish-ecb') THEN '{bf,ecb}'
    WHEN parts[1] IN ('bf-cfb', 'blowfish-cfb') THEN '{bf,cfb}'
    -- PostgreSQL 18 added this one.
    WHEN parts[1] IN ('aes-cfb', 'rijndael-cfb') AND current_setting('server_version_num')::integer >= 180000 THEN
      '{aes,cfb}'
  END;
  IF problem IS NOT NULL OR cipher IS NULL OR padding NOT IN ('pkcs', 'none') THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('Cannot use "%s": %s', lower(type), coalesce(problem, 'No such cipher algorithm')),
      HINT = 'This is auroractl''s SQL version of pgcrypto, with aes and bf. A PostgreSQL build with OpenSSL has'
        ' des, 3des and cast5 too; auroractl describe-db-engine-versions lists the builds.';
  END IF;
  RETURN cipher || padding;
END
$$;

-- What is encrypted: whole blocks, with the padding of PKCS #7 if it is asked for. CFB works on any length.
CREATE FUNCTION auroractl_padded(data bytea, block_bytes integer, cipher text[], caller text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  missing CONSTANT integer := block_bytes - length(data) % block_bytes;
BEGIN
  IF cipher[2] = 'cfb' THEN
    RETURN data;
  ELSIF cipher[3] = 'pkcs' THEN
    RETURN data || decode(repeat(lpad(to_hex(missing), 2, '0'), missing), 'hex');
  ELSIF missing < block_bytes THEN
    RAISE external_routine_invocation_exception USING MESSAGE = caller || ' error: Encryption failed';
  END IF;
  RETURN data;
END
$$;

CREATE FUNCTION auroractl_whole_blocks(data bytea, block_bytes integer, cipher text[], caller text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF cipher[2] <> 'cfb' AND (length(data) % block_bytes <> 0 OR (length(data) = 0 AND cipher[3] = 'pkcs')) THEN
    RAISE external_routine_invocation_exception USING MESSAGE = caller || ' error: Decryption failed';
  END IF;
  RETURN data;
END
$$;

CREATE FUNCTION auroractl_unpadded(data bytea, block_bytes integer, cipher text[], caller text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  padding integer;
BEGIN
  IF cipher[2] = 'cfb' OR cipher[3] = 'none' THEN
    RETURN data;
  END IF;
  padding := get_byte(data, length(data) - 1);
  IF padding NOT BETWEEN 1 AND block_bytes
    OR encode(substr(data, length(data) - padding + 1), 'hex') <> repeat(lpad(to_hex(padding), 2, '0'), padding) THEN
    RAISE external_routine_invocation_exception USING MESSAGE = caller || ' error: Decryption failed';
  END IF;
  RETURN substr(data, 1, length(data) - padding);
END
$$;

-- The round keys of AES (FIPS 197, section 5.2) for encryption. Short keys are padded with zeros, long ones cut.
CREATE FUNCTION auroractl_aes_keys(key bytea, te int8[])
RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  n CONSTANT integer := CASE WHEN length(key) <= 16 THEN 4 WHEN length(key) <= 24 THEN 6 ELSE 8 END;
  whole CONSTANT bytea := substr(key || decode(repeat('00', 32), 'hex'), 1, 4 * n);
  w int8[] := array_fill(0::int8, ARRAY[4 * n + 28], ARRAY[0]);
  x int8;
  round_constant int8 := 1;
BEGIN
  FOR i IN 0 .. n - 1 LOOP
    w[i] := (get_byte(whole, 4 * i)::int8 << 24) | (get_byte(whole, 4 * i + 1) << 16)
      | (get_byte(whole, 4 * i + 2) << 8) | get_byte(whole, 4 * i + 3);
  END LOOP;
  FOR i IN n .. 4 * n + 27 LOOP
    x := w[i - 1];
    IF i % n = 0 THEN
      x := ((x << 8) & 4294967295) | (x >> 24);
    END IF;
    IF i % n = 0 OR (n = 8 AND i % n = 4) THEN
      -- The S-box is in the middle of the entries of the table.
      x := ((te[x >> 24] >> 16) & 4278190080) | (te[(x >> 16) & 255] & 16711680) | (te[(x >> 8) & 255] & 65280)
        | ((te[x & 255] >> 8) & 255);
    END IF;
    IF i % n = 0 THEN
      x := x # (round_constant << 24);
      round_constant := CASE WHEN round_constant < 128 THEN round_constant << 1 ELSE (round_constant << 1) # 283 END;
    END IF;
    w[i] := w[i - n] # x;
  END LOOP;
  RETURN w;
END
$$;

/* The tables of AES: 0 to encrypt, 1 to decrypt, 2 the inverse S-box. The first two unite S-box and MixColumns; each
   entry is there twice in a row, so that a shift to the right rotates it. */
CREATE FUNCTION auroractl_aes_table(integer)
RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE $1
    WHEN 0 THEN
      RETURN '[0:255]={
        -4151364867856309339,-541420944644866940,-1263409667439626343,-685818668587975795,-3674507731340787,
        -2996182663994577987,-2418591665142927439,-7942725400784419500,6931092948292481104,144397775482716419,
        -3573773800285182039,6209104328576936829,-1729665819643806183,-5343565613894215838,5596755967571897318,
        -1407807425742473574,-8085427780876318139,2270520773498274461,-8518055941167789760,-397023169162150521,
        -1154335382339651051,-5595342193186743829,-8194502065976293431,-292470041516904437,4732630013662047724,
        -5488528503994002329,6891249588945199869,5021425530267742186,2566098232444492991,6027123583495742711,
        -1985398493313600874,-7223562302614618021,8482450469002131394,-2162293945575539428,4437052434456744878,
        5487115433983485546,7797479566829041242,9097059322835189569,-722837623081011454,-8949553717606298545,
        7508684050223346780,5883290956989834740,-3321997135093308108,-436302668022812408,-2129796268796317293,
        -6063858906938419085,7075490723775197523,3032353285137044799,577591101930865676,-7653929884178725038,
        5053922124715205477,-7078599378155093154,3465546474146240552,4005554537759151777,721988877413582095,
        3430224169174473397,1010784376839407369,2599159958688895542,1981725239712710811,-2314038503137942979,
        -3608532124511245530,5631513192286332777,9201613584351802061,-1552205166865451617,1299579979344447771,
        2126688164172235678,6353502052520045684,3754342025111673390,3898739783414520621,-2562989423445774670,
        -5450944417704027410,6602454055159636219,-6606126484126805258,8519468323983539021,-5199733004568177055,
        9057780975025763278,5920308794791373179,-2457871112463981762,6786695327428587377,1406394768048817303,
        -6461728725823958027,-5057030658836016792,0,-4472658078421095124,4620728815446925408,-2018461319069631457,
        8768985424060330440,-5306546659401180179,-3140580422297425218,-8229260390202356922,7475622272439336665,
        8230672790197975371,-7761308687988536610,-7472513205742580524,-5739739968669460248,-8804590827506512054,
        -4913198032330108821,-4183862561815400662,5740588576897936101,-1298167991665689834,-8772093133547420731,
        -7328115430259864105,7364286257560761173,1262562141542909332,-8483297565402118705,-1586963542631122672,
        288795550965432838,-108227669736325247,-6894922035092238096,8663866047926647876,2711061122544279482,
        5451793043112372451,-6750524259609521677,6747416979619161086,-9205286442815700800,400696714820816778,
        4580885043782783661,2422265605938585020,8086275014715258952,-1011633139686705916,7186826773013511391,
        8626283078328170177,-5775063373152855435,4765126590929641827,2310364407723462704,-1873498428969844966,
        -147507117057379570,-4624402498544545171,-9093386344112206516,1732773237073120276,2743557716991742773,
        -4328825451915187153,-4728955660549529631,3861721928433112994,-8627695340884835124,3321148784562870073,
        -7798892774278511529,6172086473595529202,-252625428039172478,8808263823409364295,-4006967075193723732,
        -5017751159975354905,3609944249628956971,-1841000735010753643,-4584558177124589408,1837892613206802840,
        -7039319930834038831,-6639189309882835841,4909524366412358246,6064706570274089598,4292089509997220011,
        831064227665447043,-8338899824279140662,-4040029952489361879,7762157175957928147,2887955509654328380,
        -6350393810457010567,-4873353418852376862,1588375513130011421,-5918895982478894218,-2602834036923506629,
        7219888499257913942,8375070565680691790,1443977754827164190,-7905706463471253029,866386618536560138,
        5198319917377791084,-5162148935458071324,-6934766768829054371,-4768235107870583954,4876462640167955695,
        -4295762626159156570,4148256883491312040,3572926411827418532,-3178164508587400137,-974614202373539445,
        -3033201618487613646,-8374223314661881789,7941877325131888473,-2707387164568752713,111901198215122316,
        -5632361130499910300,-7183717689136886062,5307960416606464480,-2851784940051469132,-6028535416555677958,
        -867800513180797945,-3464699515185206747,-3862569299711007313,-830216426890823026,5165258139593780969,
        1155182203861731352,8050952709743491797,-1119011977856255864,5342717692860507503,6642297569125740146,
        4043137507357629476,6315919082921567985,8337487578902344903,-7510097274852686255,-3753495048970770397,
        -6783021936388743812,-1696602942348168036,4476330782266171169,-7616910929685689379,7042994146507603420,
        976027152124971910,1119859761451010693,-2274194044279033712,8952661564532342338,8193654952396436932,
        -3718171558588029270,-8050104238953969448,433193309268280069,-579005013754972671,2021568753678814738,
        -4440160401641872989,7653081825706063199,-5884137658252830727,7618324549452020176,1695190267474642577,
        -7367394929120525992,4187535282840345895,2854893731870318265,-2746666663429414600,-1443130916125214701,
        3141428635388909747,2454762183206179123,-3284978197780141637,-6207691533444327056,544529324146855561,
        3716759038333326503,3286391559848434614,4331933023963323938,1551357658148603794,-3897327675476678368,
        -8660758218180473271,-6172933157678656001,5775911019308656760,-6494226419783049350,255733824721030287,
        6458621428653728248,687231601159539072,1877171012555836695,7331789663113297882,-2889369009161574863,
        -8916490891850267962,-3429375973262858056,-9060888667332984381,2997596008883001776,6497899828002762103,
        2165966511981661969,8912818050566238411,-6317330933161372420,7907120100417453014,3176751026260022842}';
    WHEN 1 THEN
      RETURN '[0:255]={
        5905528974803773264,9097664131540018515,1880152527313806531,4190421977605299862,4299648789878893515,
        2278053888439174641,-5982371660643542869,5468218303726158739,2319629051615050325,-5947445351656559114,
        -8589360021864941935,-791986858555716571,5757245177335240700,-4239351971629577257,2753182064394454144,
        -5376555167508159601,-2400037853096486327,2718515454900050791,5037855180338106008,6773062963788955873,
        -4382155257683151614,-9129658382317457390,-8266753337286289501,7769828412752132550,256529149585219559,
        1554476985522232469,-4652927687056327957,-7686982818625070630,-3116909659227782355,6373756564241916371,
        5323370385605945641,-8157769053226022844,8485495738254657898,-824588121356207752,-7397093756100919701,
        2862444232838836701,-4692381690438266954,-1114450589442855657,-3953970915370292122,9065247646822578868,
        7196552198176590360,-1938182251370368638,-7543191410920311968,7085146574763032389,-5664270624392710176,
        -4941664281005674876,-107628869690744804,-502103439618593900,8090831459621300312,-8122808066673083111,
        -7719613381692461945,5943617599492061367,-6092293720748338397,8235679515180466914,-2080786895186456745,
        7373988163482921770,-5554301701899737081,3437867209508372995,-8735439998598939750,-3227101099681445723,
        3470172987148765170,2575959696401737138,145076960136227514,-1362758501606718884,-8444499802958390229,
        -6378868855225600878,-934511280972631312,5650296389946172065,7339447705767965901,433962761249472213,
        -3371962332200279521,-4276450924183486838,3760034673551365021,-6704921271807552096,399379121933312306,
        -6559796916707202187,829766486116789305,4638971130695184298,6805395361636654854,-4796878609846497199,
        4477012307676859129,-7575892136573467075,-2504558094177139282,5613382095216229702,-7974593229199471179,
        8197779499686059269,290152799285990511,6940071212354639359,1844500179875068708,-2972963340642555497,
        -8556764746248862772,7483186491533401719,-5699231945953099075,543118646433123208,-1794302676576937160,
        8775526500339871451,-6810557233722815929,8953736504652468201,-539272202570948919,0,684695040718571139,
        3615244020230122824,2166636780283064492,7807678585151058510,-211950674692341765,1118362024750168150,
        4444724208121861406,3903839292575529255,725037088718707044,7520068140216919585,-7252109515718699823,
        2609323861358292538,867619888331122609,-7829535373077780721,-5409220270702553390,1989343768668246430,
        -9169111896073124529,7051546998353961122,6518761901503499113,2022707864905325078,-2120146443647600118,
        -4566602855886083355,4333272370860187715,1304661930679146269,1011353932452662539,-969461744855693395,
        3294005690757458105,1449782806855985608,6336874211183761797,-5803724518854424756,-1253727222014288453,
        -6665502280999018243,-648194402878937441,6661656988188079548,4928692560645733317,6628030039952424500,
        -8411834089878640266,-3808982208222083364,-5265274862650393496,-5123705065434713757,-2940326317944349494,
        4783813534077388048,1411634666805862976,-8879390783950155488,-8842214796862806915,-3261945366203122184,
        -5838580390377737711,-4095564893251853971,2134195273086152523,-2543917015573057293,974557543164957420,
        8629428845520479184,3148885218307544684,-6237281414284265063,1266717634071906554,5181782944664609826,
        -6269981804929971004,-6849905649628725478,6232186767026236632,2464472777847181551,-8698334586414215481,
        -2794252938280119871,-8301643748936604930,-7434304755761673418,-6416079365260082737,-6522656844136391128,
        -2686522355173847514,4588534307524296612,3187033289638190564,5798545106121822733,7665070058684533915,
        6088381134389790306,-680866240582052926,-8009448628276381464,3330965383291729758,-9024175759324631051,
        -6963267892639072066,7624756331698754428,8058397313998335401,-3520386970236415309,-3986643088080856773,
        1159815060530953639,-1685362832543292562,-2649317815143908485,-3664109263327430647,7951414055201741044,
        -1397603515452705023,-8984792683032634712,-1831436289516933531,-6124923536491420034,2431045532705935112,
        -1218812045582538522,-4978839503588844583,5363565940861515470,-1540501737463412268,3004038210720398550,
        3577180469560914607,3044190567194895153,-4132734145830480848,3864764405956896448,8380842902943611959,
        -251415810629514586,-2265081154466950992,3722181202617554965,-1079570563023464374,4750412462466849527,
        9209104836246458382,1698409216614725167,8524705572745762445,4895325165873770573,-3699059117325136556,
        -1975386026896128801,-7002615956357663261,5506363145241397275,-4527208647038853192,5072550162386473343,
        -7106985856403052028,111522764351616349,-394218400898386829,-357120075409702610,-5519410542925111974,
        -7864461072179408302,-1652726282291489229,7914591543922935571,-7289250215354736244,4008498862395296890,
        6482954265227170958,-1507794887186891639,-3555266524209403922,-5232680059480717003,-2225651305981090323,
        8811206069281337660,-7146404082707407015,6193139153449939775,1735238775934865017,8342698130147850175,
        6050531030710341098,6916871912140155483,-2360608494236897516,8666292953557556102,-3841584218346884223,
        -5086600005437307842,4045415729810650156,-4421619629116145569,1593644737923761010,-4836262313203718900,
        2899273122144078219,-68234308656196287,4154572242059526513,580036218223113182,-2831386903407434596,
        7230179077692768656,8920369041161028705,-3084202199065905552,5218647722716585076,-3406877173624580286}';
    WHEN 2 THEN
      RETURN '[0:255]={
        82,9,106,213,48,54,165,56,191,64,163,158,129,243,215,251,124,227,57,130,155,47,255,135,52,142,67,68,196,222,
        233,203,84,123,148,50,166,194,35,61,238,76,149,11,66,250,195,78,8,46,161,102,40,217,36,178,118,91,162,73,109,
        139,209,37,114,248,246,100,134,104,152,22,212,164,92,204,93,101,182,146,108,112,72,80,253,237,185,218,94,21,
        70,87,167,141,157,132,144,216,171,0,140,188,211,10,247,228,88,5,184,179,69,6,208,44,30,143,202,63,15,2,193,
        175,189,3,1,19,138,107,58,145,17,65,79,103,220,234,151,242,207,206,240,180,230,115,150,172,116,34,231,173,53,
        133,226,249,55,232,28,117,223,110,71,241,26,113,29,41,197,137,111,183,98,14,170,24,190,27,252,86,62,75,198,
        210,121,32,154,219,192,254,120,205,90,244,31,221,168,51,136,7,199,49,177,18,16,89,39,128,236,95,96,81,127,169,
        25,181,74,13,45,229,122,159,147,201,156,239,160,224,59,77,174,42,245,176,200,235,187,60,131,83,153,97,23,43,4,
        126,186,119,214,38,225,105,20,99,85,33,12,125}';
  END CASE;
END
$$;

-- Encryption with AES, and also decryption in CFB mode. `w` are the round keys.
CREATE FUNCTION auroractl_aes_encrypt(data bytea, iv bytea, mode text, decrypts boolean, te_in int8[], w_in int8[])
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  low CONSTANT int8 := 4294967295;
  padded CONSTANT bytea := data || decode(repeat('00', (16 - length(data) % 16) % 16), 'hex');
  -- Local, because only the arrays of variables are taken apart once for all.
  te CONSTANT int8[] := te_in;
  w CONSTANT int8[] := w_in;
  last CONSTANT integer := cardinality(w_in) - 4;
  start CONSTANT bytea := substr(iv || '\x00000000000000000000000000000000'::bytea, 1, 16);
  f0 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 1, 4), 'hex'))::bit(32)::int8 END;
  f1 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 5, 4), 'hex'))::bit(32)::int8 END;
  f2 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 9, 4), 'hex'))::bit(32)::int8 END;
  f3 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 13, 4), 'hex'))::bit(32)::int8 END;
  x0 int8;
  x1 int8;
  x2 int8;
  x3 int8;
  s0 int8;
  s1 int8;
  s2 int8;
  s3 int8;
  t0 int8;
  t1 int8;
  t2 int8;
  t3 int8;
  blocks text[] := '{}';
BEGIN
  FOR o IN 0 .. length(padded) - 16 BY 16 LOOP
    x0 := (get_byte(padded, o)::int8 << 24) | (get_byte(padded, o + 1) << 16) | (get_byte(padded, o + 2) << 8)
      | get_byte(padded, o + 3);
    x1 := (get_byte(padded, o + 4)::int8 << 24) | (get_byte(padded, o + 5) << 16) | (get_byte(padded, o + 6) << 8)
      | get_byte(padded, o + 7);
    x2 := (get_byte(padded, o + 8)::int8 << 24) | (get_byte(padded, o + 9) << 16) | (get_byte(padded, o + 10) << 8)
      | get_byte(padded, o + 11);
    x3 := (get_byte(padded, o + 12)::int8 << 24) | (get_byte(padded, o + 13) << 16) | (get_byte(padded, o + 14) << 8)
      | get_byte(padded, o + 15);
    IF mode = 'cfb' THEN
      s0 := f0 # w[0];
      s1 := f1 # w[1];
      s2 := f2 # w[2];
      s3 := f3 # w[3];
    ELSE
      s0 := x0 # f0 # w[0];
      s1 := x1 # f1 # w[1];
      s2 := x2 # f2 # w[2];
      s3 := x3 # f3 # w[3];
    END IF;
    FOR i IN 4 .. last - 4 BY 4 LOOP
      t0 := (te[s0 >> 24] # (te[(s1 >> 16) & 255] >> 8) # (te[(s2 >> 8) & 255] >> 16)
        # (te[s3 & 255] >> 24) # w[i]) & low;
      t1 := (te[s1 >> 24] # (te[(s2 >> 16) & 255] >> 8) # (te[(s3 >> 8) & 255] >> 16)
        # (te[s0 & 255] >> 24) # w[i + 1]) & low;
      t2 := (te[s2 >> 24] # (te[(s3 >> 16) & 255] >> 8) # (te[(s0 >> 8) & 255] >> 16)
        # (te[s1 & 255] >> 24) # w[i + 2]) & low;
      t3 := (te[s3 >> 24] # (te[(s0 >> 16) & 255] >> 8) # (te[(s1 >> 8) & 255] >> 16)
        # (te[s2 & 255] >> 24) # w[i + 3]) & low;
      s0 := t0;
      s1 := t1;
      s2 := t2;
      s3 := t3;
    END LOOP;
    t0 := ((te[s0 >> 24] >> 16) & 4278190080) | (te[(s1 >> 16) & 255] & 16711680)
      | (te[(s2 >> 8) & 255] & 65280) | ((te[s3 & 255] >> 8) & 255);
    t1 := ((te[s1 >> 24] >> 16) & 4278190080) | (te[(s2 >> 16) & 255] & 16711680)
      | (te[(s3 >> 8) & 255] & 65280) | ((te[s0 & 255] >> 8) & 255);
    t2 := ((te[s2 >> 24] >> 16) & 4278190080) | (te[(s3 >> 16) & 255] & 16711680)
      | (te[(s0 >> 8) & 255] & 65280) | ((te[s1 & 255] >> 8) & 255);
    t3 := ((te[s3 >> 24] >> 16) & 4278190080) | (te[(s0 >> 16) & 255] & 16711680)
      | (te[(s1 >> 8) & 255] & 65280) | ((te[s2 & 255] >> 8) & 255);
    s0 := t0 # w[last];
    s1 := t1 # w[last + 1];
    s2 := t2 # w[last + 2];
    s3 := t3 # w[last + 3];
    IF mode = 'cfb' THEN
      s0 := s0 # x0;
      s1 := s1 # x1;
      s2 := s2 # x2;
      s3 := s3 # x3;
      f0 := CASE WHEN decrypts THEN x0 ELSE s0 END;
      f1 := CASE WHEN decrypts THEN x1 ELSE s1 END;
      f2 := CASE WHEN decrypts THEN x2 ELSE s2 END;
      f3 := CASE WHEN decrypts THEN x3 ELSE s3 END;
    ELSIF mode = 'cbc' THEN
      f0 := s0;
      f1 := s1;
      f2 := s2;
      f3 := s3;
    END IF;
    blocks[o / 16] := encode(int8send((s0 << 32) | s1) || int8send((s2 << 32) | s3), 'hex');
  END LOOP;
  RETURN substr(decode(array_to_string(blocks, ''), 'hex'), 1, length(data));
END
$$;

CREATE FUNCTION auroractl_aes_decrypt(
  data bytea, iv bytea, mode text, te_in int8[], td_in int8[], si_in int8[], w_in int8[])
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  low CONSTANT int8 := 4294967295;
  padded CONSTANT bytea := data || ''::bytea;
  te CONSTANT int8[] := te_in;
  td CONSTANT int8[] := td_in;
  si CONSTANT int8[] := si_in;
  w int8[] := w_in;
  last CONSTANT integer := cardinality(w_in) - 4;
  start CONSTANT bytea := substr(iv || '\x00000000000000000000000000000000'::bytea, 1, 16);
  f0 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 1, 4), 'hex'))::bit(32)::int8 END;
  f1 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 5, 4), 'hex'))::bit(32)::int8 END;
  f2 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 9, 4), 'hex'))::bit(32)::int8 END;
  f3 int8 := CASE mode WHEN 'ecb' THEN 0 ELSE ('x' || encode(substr(start, 13, 4), 'hex'))::bit(32)::int8 END;
  x0 int8;
  x1 int8;
  x2 int8;
  x3 int8;
  s0 int8;
  s1 int8;
  s2 int8;
  s3 int8;
  t0 int8;
  t1 int8;
  t2 int8;
  t3 int8;
  blocks text[] := '{}';
BEGIN
  -- The equivalent inverse cipher (FIPS 197, section 5.3.5) has its inner round keys through InvMixColumns.
  FOR i IN 4 .. last - 1 LOOP
    w[i] := (td[(te[w[i] >> 24] >> 8) & 255] # (td[(te[(w[i] >> 16) & 255] >> 8) & 255] >> 8)
      # (td[(te[(w[i] >> 8) & 255] >> 8) & 255] >> 16) # (td[(te[w[i] & 255] >> 8) & 255] >> 24)) & low;
  END LOOP;
  FOR o IN 0 .. length(padded) - 16 BY 16 LOOP
    x0 := (get_byte(padded, o)::int8 << 24) | (get_byte(padded, o + 1) << 16) | (get_byte(padded, o + 2) << 8)
      | get_byte(padded, o + 3);
    x1 := (get_byte(padded, o + 4)::int8 << 24) | (get_byte(padded, o + 5) << 16) | (get_byte(padded, o + 6) << 8)
      | get_byte(padded, o + 7);
    x2 := (get_byte(padded, o + 8)::int8 << 24) | (get_byte(padded, o + 9) << 16) | (get_byte(padded, o + 10) << 8)
      | get_byte(padded, o + 11);
    x3 := (get_byte(padded, o + 12)::int8 << 24) | (get_byte(padded, o + 13) << 16) | (get_byte(padded, o + 14) << 8)
      | get_byte(padded, o + 15);
    s0 := x0 # w[last];
    s1 := x1 # w[last + 1];
    s2 := x2 # w[last + 2];
    s3 := x3 # w[last + 3];
    FOR i IN REVERSE last - 4 .. 4 BY 4 LOOP
      t0 := (td[s0 >> 24] # (td[(s3 >> 16) & 255] >> 8) # (td[(s2 >> 8) & 255] >> 16)
        # (td[s1 & 255] >> 24) # w[i]) & low;
      t1 := (td[s1 >> 24] # (td[(s0 >> 16) & 255] >> 8) # (td[(s3 >> 8) & 255] >> 16)
        # (td[s2 & 255] >> 24) # w[i + 1]) & low;
      t2 := (td[s2 >> 24] # (td[(s1 >> 16) & 255] >> 8) # (td[(s0 >> 8) & 255] >> 16)
        # (td[s3 & 255] >> 24) # w[i + 2]) & low;
      t3 := (td[s3 >> 24] # (td[(s2 >> 16) & 255] >> 8) # (td[(s1 >> 8) & 255] >> 16)
        # (td[s0 & 255] >> 24) # w[i + 3]) & low;
      s0 := t0;
      s1 := t1;
      s2 := t2;
      s3 := t3;
    END LOOP;
    t0 := (si[s0 >> 24] << 24) | (si[(s3 >> 16) & 255] << 16)
      | (si[(s2 >> 8) & 255] << 8) | si[s1 & 255];
    t1 := (si[s1 >> 24] << 24) | (si[(s0 >> 16) & 255] << 16)
      | (si[(s3 >> 8) & 255] << 8) | si[s2 & 255];
    t2 := (si[s2 >> 24] << 24) | (si[(s1 >> 16) & 255] << 16)
      | (si[(s0 >> 8) & 255] << 8) | si[s3 & 255];
    t3 := (si[s3 >> 24] << 24) | (si[(s2 >> 16) & 255] << 16)
      | (si[(s1 >> 8) & 255] << 8) | si[s0 & 255];
    s0 := t0 # w[0];
    s1 := t1 # w[1];
    s2 := t2 # w[2];
    s3 := t3 # w[3];
    IF mode = 'cbc' THEN
      s0 := s0 # f0;
      s1 := s1 # f1;
      s2 := s2 # f2;
      s3 := s3 # f3;
      f0 := x0;
      f1 := x1;
      f2 := x2;
      f3 := x3;
    END IF;
    blocks[o / 16] := encode(int8send((s0 << 32) | s1) || int8send((s2 << 32) | s3), 'hex');
  END LOOP;
  RETURN decode(array_to_string(blocks, ''), 'hex');
END
$$;

CREATE FUNCTION auroractl_blowfish_cipher(data bytea, key bytea, iv bytea, mode text, decrypts boolean)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_blowfish($1, CASE WHEN pg_catalog.length($2) > 0 THEN pg_catalog.substr($2, 1, 56) ELSE '\x00' END, $3,
  $4, $5, '\x00000000000000000000000000000000'::pg_catalog.bytea, 1::int8, 1, false, auroractl_blowfish_box(0),
  auroractl_blowfish_box(1), auroractl_blowfish_box(2), auroractl_blowfish_box(3), auroractl_blowfish_box(4));

CREATE FUNCTION auroractl_encrypt(data bytea, key bytea, iv bytea, cipher text[], caller text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE $4[1]
  WHEN 'aes' THEN auroractl_aes_encrypt(auroractl_padded($1, 16, $4, $5), $3, $4[2], false, auroractl_aes_table(0),
    auroractl_aes_keys($2, auroractl_aes_table(0)))
  ELSE auroractl_blowfish_cipher(auroractl_padded($1, 8, $4, $5), $2, $3, $4[2], false)
END;

CREATE FUNCTION auroractl_decrypt(data bytea, key bytea, iv bytea, cipher text[], caller text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
  WHEN $4[1] = 'bf' THEN auroractl_unpadded(
    auroractl_blowfish_cipher(auroractl_whole_blocks($1, 8, $4, $5), $2, $3, $4[2], true), 8, $4, $5)
  WHEN $4[2] = 'cfb' THEN auroractl_aes_encrypt($1, $3, 'cfb', true, auroractl_aes_table(0),
    auroractl_aes_keys($2, auroractl_aes_table(0)))
  ELSE auroractl_unpadded(auroractl_aes_decrypt(auroractl_whole_blocks($1, 16, $4, $5), $3, $4[2],
    auroractl_aes_table(0), auroractl_aes_table(1), auroractl_aes_table(2),
    auroractl_aes_keys($2, auroractl_aes_table(0))), 16, $4, $5)
END;

CREATE FUNCTION encrypt(bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_encrypt($1, $2, ''::pg_catalog.bytea, auroractl_cipher($3), 'encrypt');

CREATE FUNCTION decrypt(bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_decrypt($1, $2, ''::pg_catalog.bytea, auroractl_cipher($3), 'decrypt');

CREATE FUNCTION encrypt_iv(bytea, bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_encrypt($1, $2, $3, auroractl_cipher($4), 'encrypt_iv');

CREATE FUNCTION decrypt_iv(bytea, bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_decrypt($1, $2, $3, auroractl_cipher($4), 'decrypt_iv');

--
-- ASCII armor
--

-- The checksum of RFC 4880, section 6.1, in base64.
CREATE FUNCTION auroractl_crc24(data bytea)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  checksums CONSTANT integer[] := '[0:255]={
    0,8801531,9098509,825846,9692897,1419802,1651692,10452759,10584377,2608578,2839604,11344079,3303384,11807523,
    12104405,4128302,12930697,4391538,5217156,13227903,5679208,13690003,14450021,5910942,6606768,14844747,
    15604413,6837830,16197969,7431594,8256604,16494759,840169,9084178,8783076,18463,10434312,1670131,1434117,
    9678590,11358416,2825259,2590173,10602790,4109873,12122826,11821884,3289031,13213536,5231515,4409965,12912278,
    5929345,14431610,13675660,5693559,6823513,15618722,14863188,6588335,16513208,8238147,7417269,16212302,1680338,
    10481449,9664223,1391140,9061683,788936,36926,8838341,12067563,4091408,3340262,11844381,2868234,11372785,
    10555655,2579964,14478683,5939616,5650518,13661357,5180346,13190977,12967607,4428364,8219746,16457881,
    16234863,7468436,15633027,6866552,6578062,14816117,1405499,9649856,10463030,1698765,8819930,55329,803287,
    9047340,11858690,3325945,4072975,12086004,2561507,10574104,11387118,2853909,13647026,5664841,5958079,14460228,
    4446803,12949160,13176670,5194661,7454091,16249200,16476294,8201341,14834538,6559633,6852199,15647388,3360676,
    11864927,12161705,4185682,10527045,2551230,2782280,11286707,9619101,1346150,1577872,10379115,73852,8875143,
    9172337,899466,16124205,7357910,8182816,16421083,6680524,14918455,15678145,6911546,5736468,13747439,14507289,
    5968354,12873461,4334094,5159928,13170435,4167245,12180150,11879232,3346363,11301036,2767959,2532769,10545498,
    10360692,1596303,1360505,9604738,913813,9157998,8856728,92259,16439492,8164415,7343561,16138546,6897189,
    15692510,14936872,6662099,5986813,14488838,13733104,5750795,13156124,5174247,4352529,12855018,2810998,
    11315341,10498427,2522496,12124823,4148844,3397530,11901793,9135439,862644,110658,8912057,1606574,10407765,
    9590435,1317464,15706879,6940164,6651890,14889737,8145950,16384229,16161043,7394792,5123014,13133629,12910283,
    4370992,14535975,5997020,5707818,13718737,2504095,10516836,11329682,2796649,11916158,3383173,4130419,12143240,
    8893606,129117,876971,9121104,1331783,9576124,10389322,1625009,14908182,6633453,6925851,15721184,7380471,
    16175372,16402682,8127489,4389423,12891860,13119266,5137369,13704398,5722165,6015427,14517560}';
  bytes CONSTANT bytea := data || ''::bytea;
  crc integer := 11994318;
BEGIN
  FOR i IN 0 .. length(bytes) - 1 LOOP
    crc := ((crc << 8) & 16777215) # checksums[(crc >> 16) # get_byte(bytes, i)];
  END LOOP;
  RETURN encode(substr(int4send(crc), 2), 'base64');
END
$$;

CREATE FUNCTION auroractl_armor(data bytea, headers text, crc text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  body CONSTANT text := encode(data, 'base64');
BEGIN
  RETURN E'-----BEGIN PGP MESSAGE-----\n' || headers || E'\n' || body
    || CASE WHEN body = '' OR right(body, 1) = E'\n' THEN '' ELSE E'\n' END
    || '=' || crc || E'\n-----END PGP MESSAGE-----\n';
END
$$;

CREATE FUNCTION auroractl_armor_headers(keys text[], header_values text[])
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  headers text := '';
  key text;
  value text;
BEGIN
  IF coalesce(array_ndims(keys), 0) > 1 OR coalesce(array_ndims(keys), 0) <> coalesce(array_ndims(header_values), 0)
  THEN
    RAISE array_subscript_error USING MESSAGE = 'wrong number of array subscripts';
  ELSIF cardinality(keys) <> cardinality(header_values) THEN
    RAISE array_subscript_error USING MESSAGE = 'mismatched array dimensions';
  END IF;
  FOR i IN 0 .. cardinality(keys) - 1 LOOP
    key := keys[array_lower(keys, 1) + i];
    value := header_values[array_lower(header_values, 1) + i];
    IF key IS NULL THEN
      RAISE null_value_not_allowed USING MESSAGE = 'null value not allowed for header key';
    ELSIF key ~ '[^\u0001-\u007f]' THEN
      RAISE invalid_parameter_value USING MESSAGE = 'header key must not contain non-ASCII characters';
    ELSIF strpos(key, ': ') > 0 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'header key must not contain ": "';
    ELSIF strpos(key, E'\n') > 0 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'header key must not contain newlines';
    ELSIF value IS NULL THEN
      RAISE null_value_not_allowed USING MESSAGE = 'null value not allowed for header value';
    ELSIF value ~ '[^\u0001-\u007f]' THEN
      RAISE invalid_parameter_value USING MESSAGE = 'header value must not contain non-ASCII characters';
    ELSIF strpos(value, E'\n') > 0 THEN
      RAISE invalid_parameter_value USING MESSAGE = 'header value must not contain newlines';
    END IF;
    headers := headers || key || ': ' || value || E'\n';
  END LOOP;
  RETURN headers;
END
$$;

CREATE FUNCTION armor(bytea)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_armor($1, '', auroractl_crc24($1));

CREATE FUNCTION armor(bytea, text[], text[])
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_armor($1, auroractl_armor_headers($2, $3), auroractl_crc24($1));

-- The lines between the first and the last line of an armored message, each with its end.
CREATE FUNCTION auroractl_armor_lines(message text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  first CONSTANT integer := regexp_instr(
    message, '(^|\n)-----BEGIN[^\u0001-\u001f-]*-----(\r?\n|\r|$)', 1, 1, 1);
  rest CONSTANT text := E'\n' || substr(message, first);
  last CONSTANT integer := regexp_instr(rest, '\n-----END[^\u0001-\u001f-]*-----([\r\n]|$)');
BEGIN
  IF first = 0 OR last = 0 THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'Corrupt ascii-armor';
  END IF;
  RETURN substr(rest, 2, last - 1);
END
$$;

-- The data of an armored message, and its checksum as it is written there: after an empty line, and after the last =.
CREATE FUNCTION auroractl_armor_body(lines text, OUT data bytea, OUT crc text)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  first CONSTANT integer := regexp_instr(E'\n' || lines, '\n[\r\n]');
  body CONSTANT text := substr(lines, first);
  after CONSTANT integer := strpos(reverse(body), '=') - 1;
BEGIN
  crc := substr(right(body, after), 1, 4);
  IF first = 0 OR after < 0 OR crc !~ '^[0-9A-Za-z+/]{4}$' THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'Corrupt ascii-armor';
  END IF;
  data := decode(substr(body, 1, length(body) - after - 2), 'base64');
EXCEPTION
  WHEN invalid_parameter_value THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'Corrupt ascii-armor';
END
$$;

CREATE FUNCTION auroractl_checked(data bytea, crc text, computed text)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF crc <> computed THEN
    RAISE external_routine_invocation_exception USING MESSAGE = 'Corrupt ascii-armor';
  END IF;
  RETURN data;
END
$$;

CREATE FUNCTION dearmor(text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT auroractl_checked(body.data, body.crc, auroractl_crc24(body.data))
  FROM auroractl_armor_body(auroractl_armor_lines($1)) AS body);

CREATE FUNCTION auroractl_armor_pairs(lines text, OUT key text, OUT value text)
RETURNS SETOF record
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  line text;
BEGIN
  FOREACH line IN ARRAY string_to_array(lines, E'\n') LOOP
    line := rtrim(line, E'\r');
    EXIT WHEN line = '';
    IF strpos(line, ': ') = 0 THEN
      RAISE external_routine_invocation_exception USING MESSAGE = 'Corrupt ascii-armor';
    END IF;
    key := substr(line, 1, strpos(line, ': ') - 1);
    value := substr(line, strpos(line, ': ') + 2);
    RETURN NEXT;
  END LOOP;
END
$$;

CREATE FUNCTION pgp_armor_headers(text, key OUT text, value OUT text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
  SELECT pairs.key, pairs.value FROM auroractl_armor_pairs(auroractl_armor_lines($1)) AS pairs;
END;

--
-- PGP: there, and refused.
--

-- The second argument only gives the type.
CREATE FUNCTION auroractl_needs_openssl(name text, type anyelement)
RETURNS anyelement
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE feature_not_supported USING
    MESSAGE = name || ' needs a PostgreSQL build with OpenSSL',
    DETAIL = 'This is auroractl''s SQL version of pgcrypto, which has no PGP encryption.',
    HINT = 'auroractl describe-db-engine-versions lists the builds on this machine and the extensions of each.';
END
$$;

CREATE FUNCTION pgp_sym_encrypt(text, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_encrypt', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_sym_encrypt_bytea(bytea, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_encrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_sym_encrypt(text, text, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_encrypt', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_sym_encrypt_bytea(bytea, text, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_encrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_sym_decrypt(bytea, text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_decrypt', NULL::pg_catalog.text);

CREATE FUNCTION pgp_sym_decrypt_bytea(bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_decrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_sym_decrypt(bytea, text, text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_decrypt', NULL::pg_catalog.text);

CREATE FUNCTION pgp_sym_decrypt_bytea(bytea, text, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_sym_decrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_encrypt(text, bytea)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_encrypt', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_encrypt_bytea(bytea, bytea)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_encrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_encrypt(text, bytea, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_encrypt', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_encrypt_bytea(bytea, bytea, text)
RETURNS bytea
LANGUAGE sql STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_encrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt', NULL::pg_catalog.text);

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea, text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt', NULL::pg_catalog.text);

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_pub_decrypt(bytea, bytea, text, text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt', NULL::pg_catalog.text);

CREATE FUNCTION pgp_pub_decrypt_bytea(bytea, bytea, text, text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_pub_decrypt_bytea', NULL::pg_catalog.bytea);

CREATE FUNCTION pgp_key_id(bytea)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_needs_openssl('pgp_key_id', NULL::pg_catalog.text);
-- PostgreSQL 18 added this one; its addition needs no newer server. There is no OpenSSL here to be in FIPS mode.
CREATE FUNCTION fips_mode()
RETURNS boolean
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN false;
