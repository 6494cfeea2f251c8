/* The functions of uuid-ossp 1.1 in SQL and PL/pgSQL: the same signatures and results, without the library. */

\echo Use '''CREATE EXTENSION "uuid-ossp"''' to load this file. \quit

CREATE FUNCTION uuid_nil()
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '00000000-0000-0000-0000-000000000000'::pg_catalog.uuid;

-- The name spaces of RFC 4122, appendix C.

CREATE FUNCTION uuid_ns_dns()
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b810-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid;

CREATE FUNCTION uuid_ns_url()
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b811-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid;

CREATE FUNCTION uuid_ns_oid()
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b812-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid;

CREATE FUNCTION uuid_ns_x500()
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '6ba7b814-9dad-11d1-80b4-00c04fd430c8'::pg_catalog.uuid;

CREATE FUNCTION uuid_generate_v4()
RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN pg_catalog.gen_random_uuid();

-- A version 1 UUID of the given node, whose clock sequence is random.
CREATE FUNCTION auroractl_uuid_v1(node bytea, clock_sequence bytea)
RETURNS uuid
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  start CONSTANT timestamptz := clock_timestamp();
  now timestamptz;
  ticks text;
BEGIN
  -- The clock counts microseconds. Waiting for the next one makes the times of a session's UUIDs distinct.
  LOOP
    now := clock_timestamp();
    EXIT WHEN now <> start;
  END LOOP;
  -- 100 ns since the beginning of the Gregorian calendar (60 bits); the uppermost four bits are the version.
  ticks := encode(
    int8send((extract(epoch FROM now) * 10000000)::int8 + 122192928000000000 | (1::int8 << 60)), 'hex');
  RETURN (substr(ticks, 9, 8) || substr(ticks, 5, 4) || substr(ticks, 1, 4)
    || encode(clock_sequence, 'hex') || encode(node, 'hex'))::uuid;
END
$$;

-- The bytes 9 and 10 of a random UUID are its variant and 14 random bits, which is the form of a clock sequence.

-- The node is random too, and has the multicast bit that RFC 4122, section 4.5, asks for. A session keeps its node.
CREATE FUNCTION uuid_generate_v1()
RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN auroractl_uuid_v1(
  (SELECT pg_catalog.set_byte(hashed, 0, pg_catalog.get_byte(hashed, 0) | 1)
   FROM (SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.int4send(pg_catalog.pg_backend_pid())
     || pg_catalog.timestamptz_send(pg_catalog.pg_postmaster_start_time())), 1, 6) AS hashed) AS of_session),
  pg_catalog.substr(pg_catalog.uuid_send(pg_catalog.gen_random_uuid()), 9, 2));

-- Each has another random node, with the bits of a multicast and of a locally administered address.
CREATE FUNCTION uuid_generate_v1mc()
RETURNS uuid
LANGUAGE sql VOLATILE STRICT PARALLEL SAFE
RETURN (
  SELECT auroractl_uuid_v1(
    pg_catalog.set_byte(pg_catalog.substr(random, 11, 6), 0, pg_catalog.get_byte(random, 10) | 3),
    pg_catalog.substr(random, 9, 2))
  FROM (SELECT pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) AS random OFFSET 0) AS of_this);

-- The bytes of a text, whatever its encoding: only backslashes mean something to the format escape.
CREATE FUNCTION auroractl_uuid_name(namespace uuid, name text)
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.uuid_send($1) || pg_catalog.decode(pg_catalog.replace($2, E'\\', E'\\\\'), 'escape');

-- The first 16 bytes of a hash, with the version and the variant of RFC 4122.
CREATE FUNCTION auroractl_uuid_hashed(hash bytea, version integer)
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN pg_catalog.encode(pg_catalog.set_byte(pg_catalog.set_byte(pg_catalog.substr($1, 1, 16),
    6, (pg_catalog.get_byte($1, 6) & 15) | ($2 << 4)),
    8, (pg_catalog.get_byte($1, 8) & 63) | 128), 'hex')::pg_catalog.uuid;

-- FIPS 180-4, section 6.1. PostgreSQL has SHA-2 and MD5, but not SHA-1.
CREATE FUNCTION auroractl_uuid_sha1(data bytea)
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

CREATE FUNCTION uuid_generate_v3(namespace uuid, name text)
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_uuid_hashed(pg_catalog.decode(pg_catalog.md5(auroractl_uuid_name($1, $2)), 'hex'), 3);

CREATE FUNCTION uuid_generate_v5(namespace uuid, name text)
RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN auroractl_uuid_hashed(auroractl_uuid_sha1(auroractl_uuid_name($1, $2)), 5);
