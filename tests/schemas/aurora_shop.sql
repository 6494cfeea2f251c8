-- The schema of a made-up shop, as pg_dumpall --globals-only --no-role-passwords and pg_dump --schema-only --create give
-- it on Aurora PostgreSQL 17. Of the roles, only what Aurora lets its master user restore: no role of its own, and none
-- of the attributes SUPERUSER, REPLICATION and BYPASSRLS, not even their opposites.
-- Load it as the master user: auroractl psql CLUSTER -- -d postgres -v ON_ERROR_STOP=1 -f aurora_shop.sql

--
-- PostgreSQL database cluster dump
--

\restrict Vn7cPxq0hAqe3mWkTzL5RbYd2JsGf8uQ1oXiEv4tMHyKaCwB6NrSjZgD9pUlF0c

SET default_transaction_read_only = off;

SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;

--
-- Roles
--

CREATE ROLE shop_app;
ALTER ROLE shop_app WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN;
CREATE ROLE shop_cdc;
ALTER ROLE shop_cdc WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN CONNECTION LIMIT 5;
CREATE ROLE shop_dba;
ALTER ROLE shop_dba WITH INHERIT CREATEROLE CREATEDB LOGIN;
CREATE ROLE shop_owner;
ALTER ROLE shop_owner WITH INHERIT NOCREATEROLE NOCREATEDB NOLOGIN;
CREATE ROLE shop_readonly;
ALTER ROLE shop_readonly WITH INHERIT NOCREATEROLE NOCREATEDB NOLOGIN;
CREATE ROLE shop_reporting;
ALTER ROLE shop_reporting WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN VALID UNTIL '2036-01-01 00:00:00+00';
CREATE ROLE shop_support;
ALTER ROLE shop_support WITH INHERIT NOCREATEROLE NOCREATEDB LOGIN;
COMMENT ON ROLE shop_owner IS 'owns what migrations create';

--
-- User Configurations
--

--
-- User Config "shop_app"
--

ALTER ROLE shop_app SET log_min_duration_statement TO '250ms';
ALTER ROLE shop_app SET "pg_stat_statements.track" TO 'all';
ALTER ROLE shop_app SET search_path TO 'shop', 'catalog', 'public';
ALTER ROLE shop_app SET idle_in_transaction_session_timeout TO '30s';

--
-- User Config "shop_cdc"
--

ALTER ROLE shop_cdc SET log_statement TO 'none';
ALTER ROLE shop_cdc SET log_replication_commands TO 'on';
ALTER ROLE shop_cdc SET "pg_stat_statements.track" TO 'none';

--
-- User Config "shop_dba"
--

ALTER ROLE shop_dba SET log_statement TO 'all';
ALTER ROLE shop_dba SET "rds.force_admin_logging_level" TO 'log';
ALTER ROLE shop_dba SET "pg_stat_statements.track_planning" TO 'on';

--
-- User Config "shop_support"
--

ALTER ROLE shop_support SET log_temp_files TO '0';
ALTER ROLE shop_support SET "auto_explain.log_min_duration" TO '1s';

--
-- Role memberships
--

GRANT pg_monitor TO shop_dba WITH INHERIT TRUE GRANTED BY rds_superuser;
GRANT pg_read_all_data TO shop_reporting WITH INHERIT TRUE GRANTED BY rds_superuser;
GRANT rds_iam TO shop_app WITH INHERIT TRUE GRANTED BY rds_superuser;
GRANT rds_iam TO shop_support WITH INHERIT TRUE GRANTED BY rds_superuser;
GRANT rds_replication TO shop_cdc WITH INHERIT TRUE GRANTED BY rds_superuser;
GRANT rds_superuser TO shop_dba WITH INHERIT TRUE GRANTED BY postgres;
GRANT shop_owner TO postgres WITH INHERIT TRUE GRANTED BY postgres;
GRANT shop_readonly TO shop_reporting WITH INHERIT TRUE GRANTED BY postgres;
GRANT shop_readonly TO shop_support WITH INHERIT TRUE GRANTED BY postgres;

\unrestrict Vn7cPxq0hAqe3mWkTzL5RbYd2JsGf8uQ1oXiEv4tMHyKaCwB6NrSjZgD9pUlF0c

--
-- PostgreSQL database cluster dump complete
--

--
-- PostgreSQL database dump
--

\restrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI

-- Dumped from database version 17.10
-- Dumped by pg_dump version 17.10

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: shop; Type: DATABASE; Schema: -; Owner: shop_owner
--

CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'en_US.UTF-8';


ALTER DATABASE shop OWNER TO shop_owner;

\unrestrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI
\connect shop
\restrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: DATABASE shop; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON DATABASE shop IS 'orders, stock and invoices of the shop';


--
-- Name: shop; Type: DATABASE PROPERTIES; Schema: -; Owner: shop_owner
--

ALTER DATABASE shop SET log_min_duration_statement TO '500ms';
ALTER DATABASE shop SET log_lock_waits TO 'on';
ALTER DATABASE shop SET "pg_stat_statements.track" TO 'all';
ALTER DATABASE shop SET "rds.force_autovacuum_logging_level" TO 'log';
ALTER DATABASE shop SET search_path TO 'shop', 'public';
ALTER DATABASE shop SET "TimeZone" TO 'UTC';
ALTER DATABASE shop SET statement_timeout TO '60s';
ALTER DATABASE shop SET "auto_explain.log_min_duration" TO '2s';
ALTER ROLE shop_cdc IN DATABASE shop SET log_statement TO 'none';
ALTER ROLE shop_reporting IN DATABASE shop SET default_transaction_read_only TO 'on';
ALTER ROLE shop_reporting IN DATABASE shop SET work_mem TO '64MB';


\unrestrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI
\connect shop
\restrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: audit; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA audit;


ALTER SCHEMA audit OWNER TO shop_owner;

--
-- Name: SCHEMA audit; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA audit IS 'who changed what';


--
-- Name: billing; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA billing;


ALTER SCHEMA billing OWNER TO shop_owner;

--
-- Name: SCHEMA billing; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA billing IS 'what is owed';


--
-- Name: catalog; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA catalog;


ALTER SCHEMA catalog OWNER TO shop_owner;

--
-- Name: SCHEMA catalog; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA catalog IS 'what is sold';


--
-- Name: extensions; Type: SCHEMA; Schema: -; Owner: postgres
--

CREATE SCHEMA extensions;


ALTER SCHEMA extensions OWNER TO postgres;

--
-- Name: SCHEMA extensions; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON SCHEMA extensions IS 'tools of the operators';


--
-- Name: reporting; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA reporting;


ALTER SCHEMA reporting OWNER TO shop_owner;

--
-- Name: SCHEMA reporting; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA reporting IS 'views for people';


--
-- Name: shop; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA shop;


ALTER SCHEMA shop OWNER TO shop_owner;

--
-- Name: SCHEMA shop; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA shop IS 'customers and orders';


--
-- Name: stock; Type: SCHEMA; Schema: -; Owner: shop_owner
--

CREATE SCHEMA stock;


ALTER SCHEMA stock OWNER TO shop_owner;

--
-- Name: SCHEMA stock; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON SCHEMA stock IS 'where it lies';


--
-- Name: amcheck; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS amcheck WITH SCHEMA extensions;


--
-- Name: EXTENSION amcheck; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION amcheck IS 'functions for verifying relation integrity';


--
-- Name: btree_gin; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS btree_gin WITH SCHEMA public;


--
-- Name: EXTENSION btree_gin; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION btree_gin IS 'support for indexing common datatypes in GIN';


--
-- Name: btree_gist; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;


--
-- Name: EXTENSION btree_gist; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION btree_gist IS 'support for indexing common datatypes in GiST';


--
-- Name: citext; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;


--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION citext IS 'data type for case-insensitive character strings';


--
-- Name: cube; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS cube WITH SCHEMA public;


--
-- Name: EXTENSION cube; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION cube IS 'data type for multidimensional cubes';


--
-- Name: dblink; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA extensions;


--
-- Name: EXTENSION dblink; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION dblink IS 'connect to other PostgreSQL databases from within a database';


--
-- Name: earthdistance; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS earthdistance WITH SCHEMA public;


--
-- Name: EXTENSION earthdistance; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION earthdistance IS 'calculate great-circle distances on the surface of the Earth';


--
-- Name: fuzzystrmatch; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS fuzzystrmatch WITH SCHEMA public;


--
-- Name: EXTENSION fuzzystrmatch; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION fuzzystrmatch IS 'determine similarities and distance between strings';


--
-- Name: hstore; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;


--
-- Name: EXTENSION hstore; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION hstore IS 'data type for storing sets of (key, value) pairs';


--
-- Name: intarray; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS intarray WITH SCHEMA public;


--
-- Name: EXTENSION intarray; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION intarray IS 'functions, operators, and index support for 1-D arrays of integers';


--
-- Name: ltree; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS ltree WITH SCHEMA public;


--
-- Name: EXTENSION ltree; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION ltree IS 'data type for hierarchical tree-like structures';


--
-- Name: pg_buffercache; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_buffercache WITH SCHEMA extensions;


--
-- Name: EXTENSION pg_buffercache; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_buffercache IS 'examine the shared buffer cache';


--
-- Name: pg_stat_statements; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA public;


--
-- Name: EXTENSION pg_stat_statements; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_stat_statements IS 'track planning and execution statistics of all SQL statements executed';


--
-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;


--
-- Name: EXTENSION pg_trgm; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pg_trgm IS 'text similarity measurement and index searching based on trigrams';


--
-- Name: pgcrypto; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;


--
-- Name: EXTENSION pgcrypto; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';


--
-- Name: pgrowlocks; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgrowlocks WITH SCHEMA extensions;


--
-- Name: EXTENSION pgrowlocks; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pgrowlocks IS 'show row-level locking information';


--
-- Name: pgstattuple; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgstattuple WITH SCHEMA extensions;


--
-- Name: EXTENSION pgstattuple; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION pgstattuple IS 'show tuple-level statistics';


--
-- Name: postgres_fdw; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS postgres_fdw WITH SCHEMA public;


--
-- Name: EXTENSION postgres_fdw; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION postgres_fdw IS 'foreign-data wrapper for remote PostgreSQL servers';


--
-- Name: tablefunc; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS tablefunc WITH SCHEMA public;


--
-- Name: EXTENSION tablefunc; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION tablefunc IS 'functions that manipulate whole tables, including crosstab';


--
-- Name: tsm_system_rows; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS tsm_system_rows WITH SCHEMA extensions;


--
-- Name: EXTENSION tsm_system_rows; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION tsm_system_rows IS 'TABLESAMPLE method which accepts number of rows as a limit';


--
-- Name: unaccent; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA public;


--
-- Name: EXTENSION unaccent; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION unaccent IS 'text search dictionary that removes accents';


--
-- Name: uuid-ossp; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;


--
-- Name: EXTENSION "uuid-ossp"; Type: COMMENT; Schema: -; Owner: 
--

COMMENT ON EXTENSION "uuid-ossp" IS 'generate universally unique identifiers (UUIDs)';


--
-- Name: operation; Type: TYPE; Schema: audit; Owner: shop_owner
--

CREATE TYPE audit.operation AS ENUM (
    'INSERT',
    'UPDATE',
    'DELETE',
    'TRUNCATE'
);


ALTER TYPE audit.operation OWNER TO shop_owner;

--
-- Name: iban; Type: DOMAIN; Schema: billing; Owner: shop_owner
--

CREATE DOMAIN billing.iban AS text
	CONSTRAINT iban_check CHECK ((VALUE ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'::text));


ALTER DOMAIN billing.iban OWNER TO shop_owner;

--
-- Name: money_amount; Type: TYPE; Schema: billing; Owner: shop_owner
--

CREATE TYPE billing.money_amount AS (
	amount numeric(14,2),
	currency character(3)
);


ALTER TYPE billing.money_amount OWNER TO shop_owner;

--
-- Name: any_case; Type: COLLATION; Schema: shop; Owner: shop_owner
--

CREATE COLLATION shop.any_case (provider = icu, deterministic = false, locale = 'und-u-ks-level2');


ALTER COLLATION shop.any_case OWNER TO shop_owner;

--
-- Name: payment_method; Type: TYPE; Schema: billing; Owner: shop_owner
--

CREATE TYPE billing.payment_method AS ENUM (
    'card',
    'transfer',
    'invoice',
    'voucher'
);


ALTER TYPE billing.payment_method OWNER TO shop_owner;

--
-- Name: payment_state; Type: TYPE; Schema: billing; Owner: shop_owner
--

CREATE TYPE billing.payment_state AS ENUM (
    'pending',
    'authorized',
    'captured',
    'failed',
    'refunded'
);


ALTER TYPE billing.payment_state OWNER TO shop_owner;

--
-- Name: positive_amount; Type: DOMAIN; Schema: billing; Owner: shop_owner
--

CREATE DOMAIN billing.positive_amount AS numeric(14,2) DEFAULT 0
	CONSTRAINT positive_amount_check CHECK ((VALUE >= (0)::numeric));


ALTER DOMAIN billing.positive_amount OWNER TO shop_owner;

--
-- Name: language_code; Type: DOMAIN; Schema: catalog; Owner: shop_owner
--

CREATE DOMAIN catalog.language_code AS character varying(10) NOT NULL DEFAULT 'en'::character varying;


ALTER DOMAIN catalog.language_code OWNER TO shop_owner;

--
-- Name: percentage; Type: DOMAIN; Schema: catalog; Owner: shop_owner
--

CREATE DOMAIN catalog.percentage AS numeric(5,2)
	CONSTRAINT percentage_check CHECK (((VALUE >= (0)::numeric) AND (VALUE <= (100)::numeric)));


ALTER DOMAIN catalog.percentage OWNER TO shop_owner;

--
-- Name: address; Type: TYPE; Schema: shop; Owner: shop_owner
--

CREATE TYPE shop.address AS (
	line1 text,
	line2 text,
	postcode text,
	city text,
	country character(2)
);


ALTER TYPE shop.address OWNER TO shop_owner;

--
-- Name: TYPE address; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON TYPE shop.address IS 'where a parcel goes';


--
-- Name: channel; Type: TYPE; Schema: shop; Owner: shop_owner
--

CREATE TYPE shop.channel AS ENUM (
    'web',
    'app',
    'phone',
    'store'
);


ALTER TYPE shop.channel OWNER TO shop_owner;

--
-- Name: email; Type: DOMAIN; Schema: shop; Owner: shop_owner
--

CREATE DOMAIN shop.email AS public.citext
	CONSTRAINT email_check CHECK ((VALUE OPERATOR(public.~) '^[^@\s]+@[^@\s]+\.[^@\s]+$'::public.citext));


ALTER DOMAIN shop.email OWNER TO shop_owner;

--
-- Name: DOMAIN email; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON DOMAIN shop.email IS 'an address that looks like one';


--
-- Name: CONSTRAINT email_check ON DOMAIN email; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON CONSTRAINT email_check ON DOMAIN shop.email IS 'one at sign';


--
-- Name: order_status; Type: TYPE; Schema: shop; Owner: shop_owner
--

CREATE TYPE shop.order_status AS ENUM (
    'draft',
    'placed',
    'paid',
    'packed',
    'shipped',
    'delivered',
    'returned',
    'cancelled'
);


ALTER TYPE shop.order_status OWNER TO shop_owner;

--
-- Name: TYPE order_status; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON TYPE shop.order_status IS 'the way of an order';


--
-- Name: phone; Type: DOMAIN; Schema: shop; Owner: shop_owner
--

CREATE DOMAIN shop.phone AS text
	CONSTRAINT phone_check CHECK ((VALUE ~ '^\+[0-9]{6,15}$'::text));


ALTER DOMAIN shop.phone OWNER TO shop_owner;

--
-- Name: slug; Type: DOMAIN; Schema: shop; Owner: shop_owner
--

CREATE DOMAIN shop.slug AS text NOT NULL
	CONSTRAINT slug_check CHECK ((VALUE ~ '^[a-z0-9]+(-[a-z0-9]+)*$'::text));


ALTER DOMAIN shop.slug OWNER TO shop_owner;

--
-- Name: movement_kind; Type: TYPE; Schema: stock; Owner: shop_owner
--

CREATE TYPE stock.movement_kind AS ENUM (
    'receipt',
    'issue',
    'transfer',
    'correction'
);


ALTER TYPE stock.movement_kind OWNER TO shop_owner;

--
-- Name: weight_range; Type: TYPE; Schema: stock; Owner: shop_owner
--

CREATE TYPE stock.weight_range AS RANGE (
    subtype = numeric,
    multirange_type_name = stock.weight_multirange
);


ALTER TYPE stock.weight_range OWNER TO shop_owner;

--
-- Name: to_amount(billing.money_amount); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.to_amount(value billing.money_amount) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT (value).amount $$;


ALTER FUNCTION billing.to_amount(value billing.money_amount) OWNER TO shop_owner;

--
-- Name: CAST (billing.money_amount AS numeric); Type: CAST; Schema: -; Owner: -
--

CREATE CAST (billing.money_amount AS numeric) WITH FUNCTION billing.to_amount(billing.money_amount) AS ASSIGNMENT;


--
-- Name: drop_old(integer); Type: PROCEDURE; Schema: audit; Owner: shop_owner
--

CREATE PROCEDURE audit.drop_old(INOUT dropped integer DEFAULT 0)
    LANGUAGE plpgsql
    AS $$
DECLARE
  old regclass;
BEGIN
  FOR old IN SELECT inhrelid::regclass FROM pg_catalog.pg_inherits WHERE inhparent = 'audit.log'::regclass LOOP
    dropped := dropped + 1;
    COMMIT;
  END LOOP;
END
$$;


ALTER PROCEDURE audit.drop_old(INOUT dropped integer) OWNER TO shop_owner;

--
-- Name: login(name, inet); Type: FUNCTION; Schema: audit; Owner: shop_owner
--

CREATE FUNCTION audit.login(who name, address inet) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$ INSERT INTO audit.logins (role, "from") VALUES (who, address) $$;


ALTER FUNCTION audit.login(who name, address inet) OWNER TO shop_owner;

--
-- Name: note_ddl(); Type: FUNCTION; Schema: audit; Owner: shop_owner
--

CREATE FUNCTION audit.note_ddl() RETURNS event_trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO audit.ddl (tag, object) SELECT command_tag, object_identity FROM pg_event_trigger_ddl_commands();
END
$$;


ALTER FUNCTION audit.note_ddl() OWNER TO shop_owner;

--
-- Name: note_drop(); Type: FUNCTION; Schema: audit; Owner: shop_owner
--

CREATE FUNCTION audit.note_drop() RETURNS event_trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO audit.ddl (tag, object) SELECT TG_TAG, object_identity FROM pg_event_trigger_dropped_objects();
END
$$;


ALTER FUNCTION audit.note_drop() OWNER TO shop_owner;

--
-- Name: record(); Type: FUNCTION; Schema: audit; Owner: shop_owner
--

CREATE FUNCTION audit.record() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'audit', 'public'
    AS $$
DECLARE
  before public.hstore;
  after public.hstore;
BEGIN
  IF TG_OP <> 'INSERT' THEN before := public.hstore(OLD); END IF;
  IF TG_OP <> 'DELETE' THEN after := public.hstore(NEW); END IF;
  INSERT INTO audit.log (at, actor, operation, relation, old_row, new_row)
  VALUES (now(), session_user, TG_OP::audit.operation, TG_RELID::regclass::text, before, after);
  RETURN NULL;
END
$$;


ALTER FUNCTION audit.record() OWNER TO shop_owner;

--
-- Name: close_month(date); Type: PROCEDURE; Schema: billing; Owner: shop_owner
--

CREATE PROCEDURE billing.close_month(IN month date)
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO billing.ledger (day, account_id, amount) SELECT month, account_id, sum((total).amount) FROM billing.invoices GROUP BY account_id;
  COMMIT;
END
$$;


ALTER PROCEDURE billing.close_month(IN month date) OWNER TO shop_owner;

--
-- Name: PROCEDURE close_month(IN month date); Type: COMMENT; Schema: billing; Owner: shop_owner
--

COMMENT ON PROCEDURE billing.close_month(IN month date) IS 'writes the ledger';


--
-- Name: encrypt_card(text, text); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.encrypt_card(card text, key text) RETURNS bytea
    LANGUAGE sql
    AS $$ SELECT public.pgp_sym_encrypt(card, key, 'cipher-algo=aes256') $$;


ALTER FUNCTION billing.encrypt_card(card text, key text) OWNER TO shop_owner;

--
-- Name: larger(billing.money_amount, billing.money_amount); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.larger(a billing.money_amount, b billing.money_amount) RETURNS billing.money_amount
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN a IS NULL OR (b).amount > (a).amount THEN b ELSE a END $$;


ALTER FUNCTION billing.larger(a billing.money_amount, b billing.money_amount) OWNER TO shop_owner;

--
-- Name: plus(billing.money_amount, billing.money_amount); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.plus(a billing.money_amount, b billing.money_amount) RETURNS billing.money_amount
    LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT ROW((a).amount + (b).amount, (a).currency)::billing.money_amount $$;


ALTER FUNCTION billing.plus(a billing.money_amount, b billing.money_amount) OWNER TO shop_owner;

--
-- Name: settle(); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.settle() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE billing.invoices SET paid = true WHERE id = NEW.invoice_id
  AND (total).amount <= (SELECT sum(amount) FROM billing.payments WHERE invoice_id = NEW.invoice_id AND state = 'captured');
  RETURN NULL;
END
$$;


ALTER FUNCTION billing.settle() OWNER TO shop_owner;

--
-- Name: sign(text, text); Type: FUNCTION; Schema: billing; Owner: shop_owner
--

CREATE FUNCTION billing.sign(payload text, key text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    AS $$ SELECT encode(public.hmac(payload, key, 'sha256'), 'hex') $$;


ALTER FUNCTION billing.sign(payload text, key text) OWNER TO shop_owner;

--
-- Name: descendants(public.ltree); Type: FUNCTION; Schema: catalog; Owner: shop_owner
--

CREATE FUNCTION catalog.descendants(root public.ltree) RETURNS SETOF integer
    LANGUAGE sql STABLE
    AS $$ SELECT id FROM catalog.categories WHERE path OPERATOR(public.<@) root $$;


ALTER FUNCTION catalog.descendants(root public.ltree) OWNER TO shop_owner;

--
-- Name: price_at(uuid, timestamp with time zone); Type: FUNCTION; Schema: catalog; Owner: shop_owner
--

CREATE FUNCTION catalog.price_at(product uuid, at timestamp with time zone DEFAULT now()) RETURNS numeric
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT price FROM catalog.prices WHERE product_id = product AND valid @> at $$;


ALTER FUNCTION catalog.price_at(product uuid, at timestamp with time zone) OWNER TO shop_owner;

--
-- Name: similar_names(text); Type: FUNCTION; Schema: catalog; Owner: shop_owner
--

CREATE FUNCTION catalog.similar_names(wanted text) RETURNS TABLE(name text, likeness real)
    LANGUAGE sql STABLE
    AS $$ SELECT p.name, public.similarity(p.name, wanted) FROM catalog.products p WHERE p.name OPERATOR(public.%) wanted $$;


ALTER FUNCTION catalog.similar_names(wanted text) OWNER TO shop_owner;

--
-- Name: health(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.health() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT 'ok'::text $$;


ALTER FUNCTION public.health() OWNER TO postgres;

--
-- Name: check_pin(public.citext, text); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.check_pin(code public.citext, pin text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$ SELECT pin_hash = public.crypt(pin, pin_hash) FROM shop.vouchers v WHERE v.code = check_pin.code $$;


ALTER FUNCTION shop.check_pin(code public.citext, pin text) OWNER TO shop_owner;

--
-- Name: normalize(text); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop."normalize"(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(regexp_replace(value, '\s+', ' ', 'g')) $$;


ALTER FUNCTION shop."normalize"(value text) OWNER TO shop_owner;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: customers; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.customers (
    id bigint NOT NULL,
    public_id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    email shop.email NOT NULL,
    phone shop.phone,
    full_name text NOT NULL,
    folded_name text GENERATED ALWAYS AS (shop."normalize"(full_name)) STORED,
    email_hash text GENERATED ALWAYS AS (encode(public.digest((email)::text, 'sha256'::text), 'hex'::text)) STORED,
    secret bytea DEFAULT public.gen_random_bytes(16) NOT NULL,
    country character(2),
    preferences public.hstore DEFAULT ''::public.hstore NOT NULL,
    segments integer[] DEFAULT '{}'::integer[] NOT NULL,
    tenant text DEFAULT 'main'::text NOT NULL,
    vip boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT customers_name_check CHECK (((length(full_name) >= 1) AND (length(full_name) <= 200)))
);


ALTER TABLE shop.customers OWNER TO shop_owner;

--
-- Name: COLUMN customers.email_hash; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON COLUMN shop.customers.email_hash IS 'for the partners'' lists';


--
-- Name: customer_by_email(shop.email); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.customer_by_email(wanted shop.email) RETURNS SETOF shop.customers
    LANGUAGE sql STABLE ROWS 1
    AS $$ SELECT * FROM shop.customers WHERE email = wanted AND deleted_at IS NULL $$;


ALTER FUNCTION shop.customer_by_email(wanted shop.email) OWNER TO shop_owner;

--
-- Name: fold(text); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.fold(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(public.unaccent('public.unaccent', value)) $$;


ALTER FUNCTION shop.fold(value text) OWNER TO shop_owner;

--
-- Name: index_review(); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.index_review() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  NEW.document := to_tsvector(NEW.language, coalesce(NEW.body, ''));
  RETURN NEW;
END
$$;


ALTER FUNCTION shop.index_review() OWNER TO shop_owner;

--
-- Name: near(public.earth, double precision); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.near(place public.earth, meters double precision, OUT customer_id bigint, OUT distance double precision) RETURNS SETOF record
    LANGUAGE sql STABLE
    AS $$ SELECT a.customer_id, public.earth_distance(place, public.ll_to_earth(a.latitude, a.longitude)) FROM shop.customer_addresses a WHERE public.earth_box(place, meters) OPERATOR(public.@>) public.ll_to_earth(a.latitude, a.longitude) $$;


ALTER FUNCTION shop.near(place public.earth, meters double precision, OUT customer_id bigint, OUT distance double precision) OWNER TO shop_owner;

--
-- Name: next_order_number(); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.next_order_number() RETURNS text
    LANGUAGE sql
    AS $$ SELECT 'S' || to_char(nextval('shop.order_number_seq'), 'FM0000000') $$;


ALTER FUNCTION shop.next_order_number() OWNER TO shop_owner;

--
-- Name: order_lines; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.order_lines (
    order_id bigint NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    line smallint NOT NULL,
    product_id uuid NOT NULL,
    quantity integer NOT NULL,
    price numeric(12,2) NOT NULL,
    amount numeric(14,2) GENERATED ALWAYS AS (((quantity)::numeric * price)) STORED,
    CONSTRAINT order_lines_quantity_check CHECK ((quantity > 0))
);


ALTER TABLE shop.order_lines OWNER TO shop_owner;

--
-- Name: order_total(bigint); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.order_total(id bigint) RETURNS numeric
    LANGUAGE sql STABLE
    BEGIN ATOMIC
 SELECT sum(l.amount) AS sum
    FROM shop.order_lines l
   WHERE (l.order_id = order_total.id);
END;


ALTER FUNCTION shop.order_total(id bigint) OWNER TO shop_owner;

--
-- Name: place_order(bigint, uuid[]); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.place_order(customer bigint, VARIADIC wanted uuid[]) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
  placed bigint;
  at timestamptz := now();
BEGIN
  INSERT INTO shop.orders (customer_id, placed_at, status) VALUES (customer, at, 'placed') RETURNING id INTO placed;
  INSERT INTO shop.order_lines (order_id, placed_at, line, product_id, quantity, price)
  SELECT placed, at, row_number() OVER (), id, 1, price FROM catalog.products WHERE id = ANY (wanted);
  PERFORM pg_notify('orders', placed::text);
  RETURN placed;
END
$$;


ALTER FUNCTION shop.place_order(customer bigint, VARIADIC wanted uuid[]) OWNER TO shop_owner;

--
-- Name: FUNCTION place_order(customer bigint, VARIADIC wanted uuid[]); Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON FUNCTION shop.place_order(customer bigint, VARIADIC wanted uuid[]) IS 'one unit of each product';


--
-- Name: search_products(text, integer); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.search_products(words text, most integer DEFAULT 20) RETURNS TABLE(id uuid, name text, rank real)
    LANGUAGE sql STABLE COST 500
    AS $$ SELECT p.id, p.name, ts_rank(p.search, q) FROM catalog.products p, websearch_to_tsquery('english', words) q WHERE p.search @@ q ORDER BY 3 DESC LIMIT most $$;


ALTER FUNCTION shop.search_products(words text, most integer) OWNER TO shop_owner;

--
-- Name: touch(); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.touch() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;


ALTER FUNCTION shop.touch() OWNER TO shop_owner;

--
-- Name: track_status(); Type: FUNCTION; Schema: shop; Owner: shop_owner
--

CREATE FUNCTION shop.track_status() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO shop.order_events (order_id, placed_at, status) VALUES (NEW.id, NEW.placed_at, NEW.status);
  RETURN NEW;
END
$$;


ALTER FUNCTION shop.track_status() OWNER TO shop_owner;

--
-- Name: apply_movement(); Type: FUNCTION; Schema: stock; Owner: shop_owner
--

CREATE FUNCTION stock.apply_movement() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO stock.levels (product_id, warehouse_id, on_hand) VALUES (NEW.product_id, NEW.warehouse_id, NEW.quantity)
  ON CONFLICT (product_id, warehouse_id) DO UPDATE SET on_hand = stock.levels.on_hand + EXCLUDED.on_hand;
  RETURN NULL;
END
$$;


ALTER FUNCTION stock.apply_movement() OWNER TO shop_owner;

--
-- Name: nearest(double precision, double precision); Type: FUNCTION; Schema: stock; Owner: shop_owner
--

CREATE FUNCTION stock.nearest(latitude double precision, longitude double precision) RETURNS smallint
    LANGUAGE sql STABLE
    AS $$ SELECT id FROM stock.warehouses w ORDER BY public.earth_distance(public.ll_to_earth(w.latitude, w.longitude), public.ll_to_earth(nearest.latitude, nearest.longitude)) LIMIT 1 $$;


ALTER FUNCTION stock.nearest(latitude double precision, longitude double precision) OWNER TO shop_owner;

--
-- Name: reserve(uuid, smallint, integer); Type: FUNCTION; Schema: stock; Owner: shop_owner
--

CREATE FUNCTION stock.reserve(product uuid, warehouse smallint, wanted integer) RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE stock.levels SET reserved = reserved + wanted
  WHERE product_id = product AND warehouse_id = warehouse AND on_hand - reserved >= wanted;
  RETURN FOUND;
EXCEPTION
  WHEN lock_not_available THEN
    RETURN false;
END
$$;


ALTER FUNCTION stock.reserve(product uuid, warehouse smallint, wanted integer) OWNER TO shop_owner;

--
-- Name: largest(billing.money_amount); Type: AGGREGATE; Schema: billing; Owner: shop_owner
--

CREATE AGGREGATE billing.largest(billing.money_amount) (
    SFUNC = billing.larger,
    STYPE = billing.money_amount,
    COMBINEFUNC = billing.larger,
    PARALLEL = safe
);


ALTER AGGREGATE billing.largest(billing.money_amount) OWNER TO shop_owner;

--
-- Name: AGGREGATE largest(billing.money_amount); Type: COMMENT; Schema: billing; Owner: shop_owner
--

COMMENT ON AGGREGATE billing.largest(billing.money_amount) IS 'the largest amount';


--
-- Name: +; Type: OPERATOR; Schema: billing; Owner: shop_owner
--

CREATE OPERATOR billing.+ (
    FUNCTION = billing.plus,
    LEFTARG = billing.money_amount,
    RIGHTARG = billing.money_amount,
    COMMUTATOR = OPERATOR(billing.+)
);


ALTER OPERATOR billing.+ (billing.money_amount, billing.money_amount) OWNER TO shop_owner;

--
-- Name: plain; Type: TEXT SEARCH DICTIONARY; Schema: shop; Owner: shop_owner
--

CREATE TEXT SEARCH DICTIONARY shop.plain (
    TEMPLATE = pg_catalog.simple,
    stopwords = 'english' );


ALTER TEXT SEARCH DICTIONARY shop.plain OWNER TO shop_owner;

--
-- Name: folded; Type: TEXT SEARCH CONFIGURATION; Schema: shop; Owner: shop_owner
--

CREATE TEXT SEARCH CONFIGURATION shop.folded (
    PARSER = pg_catalog."default" );

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR asciiword WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR word WITH public.unaccent, english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR numword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR email WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR url WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR host WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR sfloat WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR version WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR hword_numpart WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR hword_part WITH public.unaccent, english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR hword_asciipart WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR numhword WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR asciihword WITH english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR hword WITH public.unaccent, english_stem;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR url_path WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR file WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR "float" WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR "int" WITH simple;

ALTER TEXT SEARCH CONFIGURATION shop.folded
    ADD MAPPING FOR uint WITH simple;


ALTER TEXT SEARCH CONFIGURATION shop.folded OWNER TO shop_owner;

--
-- Name: archive; Type: SERVER; Schema: -; Owner: postgres
--

CREATE SERVER archive FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
    dbname 'archive',
    fetch_size '1000',
    host 'archive.example.com'
);


ALTER SERVER archive OWNER TO postgres;

--
-- Name: USER MAPPING public SERVER archive; Type: USER MAPPING; Schema: -; Owner: postgres
--

CREATE USER MAPPING FOR public SERVER archive OPTIONS (
    password 'not-a-secret',
    "user" 'guest'
);


--
-- Name: USER MAPPING shop_app SERVER archive; Type: USER MAPPING; Schema: -; Owner: postgres
--

CREATE USER MAPPING FOR shop_app SERVER archive;


--
-- Name: ddl; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.ddl (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor name DEFAULT SESSION_USER NOT NULL,
    tag text NOT NULL,
    object text
);


ALTER TABLE audit.ddl OWNER TO shop_owner;

--
-- Name: ddl_id_seq; Type: SEQUENCE; Schema: audit; Owner: shop_owner
--

ALTER TABLE audit.ddl ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.ddl_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: log; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
)
PARTITION BY RANGE (at);


ALTER TABLE audit.log OWNER TO shop_owner;

--
-- Name: log_2026_01; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_01 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_01 OWNER TO shop_owner;

--
-- Name: log_2026_02; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_02 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_02 OWNER TO shop_owner;

--
-- Name: log_2026_03; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_03 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_03 OWNER TO shop_owner;

--
-- Name: log_2026_04; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_04 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_04 OWNER TO shop_owner;

--
-- Name: log_2026_05; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_05 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_05 OWNER TO shop_owner;

--
-- Name: log_2026_06; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_2026_06 (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_2026_06 OWNER TO shop_owner;

--
-- Name: log_id_seq; Type: SEQUENCE; Schema: audit; Owner: shop_owner
--

ALTER TABLE audit.log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: log_later; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.log_later (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    actor name NOT NULL,
    operation audit.operation NOT NULL,
    relation text NOT NULL,
    old_row public.hstore,
    new_row public.hstore
);


ALTER TABLE audit.log_later OWNER TO shop_owner;

--
-- Name: logins; Type: TABLE; Schema: audit; Owner: shop_owner
--

CREATE TABLE audit.logins (
    id bigint NOT NULL,
    role name NOT NULL,
    "from" inet,
    mac macaddr,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE audit.logins OWNER TO shop_owner;

--
-- Name: logins_id_seq; Type: SEQUENCE; Schema: audit; Owner: shop_owner
--

ALTER TABLE audit.logins ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME audit.logins_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: accounts; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.accounts (
    id bigint NOT NULL,
    customer_id bigint NOT NULL,
    iban billing.iban,
    credit billing.positive_amount,
    card bytea
);


ALTER TABLE billing.accounts OWNER TO shop_owner;

--
-- Name: accounts_id_seq; Type: SEQUENCE; Schema: billing; Owner: shop_owner
--

ALTER TABLE billing.accounts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME billing.accounts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: dunning; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.dunning (
    invoice_id bigint NOT NULL,
    level smallint DEFAULT 1 NOT NULL,
    sent_at timestamp with time zone[]
);


ALTER TABLE billing.dunning OWNER TO shop_owner;

--
-- Name: invoice_lines; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.invoice_lines (
    invoice_id bigint NOT NULL,
    line smallint NOT NULL,
    what text NOT NULL,
    amount numeric(14,2) NOT NULL,
    vat catalog.percentage NOT NULL
);


ALTER TABLE billing.invoice_lines OWNER TO shop_owner;

--
-- Name: invoice_number_seq; Type: SEQUENCE; Schema: billing; Owner: shop_owner
--

CREATE SEQUENCE billing.invoice_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE billing.invoice_number_seq OWNER TO shop_owner;

--
-- Name: invoices; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.invoices (
    id bigint NOT NULL,
    number bigint DEFAULT nextval('billing.invoice_number_seq'::regclass) NOT NULL,
    account_id bigint NOT NULL,
    order_id bigint,
    placed_at timestamp with time zone,
    due date NOT NULL,
    total billing.money_amount NOT NULL,
    paid boolean DEFAULT false NOT NULL
);


ALTER TABLE billing.invoices OWNER TO shop_owner;

--
-- Name: invoices_id_seq; Type: SEQUENCE; Schema: billing; Owner: shop_owner
--

ALTER TABLE billing.invoices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME billing.invoices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: ledger; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.ledger (
    id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    amount numeric(14,2) NOT NULL
)
PARTITION BY RANGE (day);


ALTER TABLE billing.ledger OWNER TO shop_owner;

--
-- Name: ledger_2026q1; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.ledger_2026q1 (
    id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    amount numeric(14,2) NOT NULL
);


ALTER TABLE billing.ledger_2026q1 OWNER TO shop_owner;

--
-- Name: ledger_2026q2; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.ledger_2026q2 (
    id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    amount numeric(14,2) NOT NULL
);


ALTER TABLE billing.ledger_2026q2 OWNER TO shop_owner;

--
-- Name: ledger_2026q3; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.ledger_2026q3 (
    id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    amount numeric(14,2) NOT NULL
);


ALTER TABLE billing.ledger_2026q3 OWNER TO shop_owner;

--
-- Name: ledger_2026q4; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.ledger_2026q4 (
    id bigint NOT NULL,
    day date NOT NULL,
    account_id bigint NOT NULL,
    amount numeric(14,2) NOT NULL
);


ALTER TABLE billing.ledger_2026q4 OWNER TO shop_owner;

--
-- Name: ledger_id_seq; Type: SEQUENCE; Schema: billing; Owner: shop_owner
--

ALTER TABLE billing.ledger ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME billing.ledger_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: overdue; Type: VIEW; Schema: billing; Owner: shop_owner
--

CREATE VIEW billing.overdue AS
 SELECT number,
    due,
    (total).amount AS amount,
    (CURRENT_DATE - due) AS days
   FROM billing.invoices i
  WHERE ((NOT paid) AND (due < CURRENT_DATE));


ALTER VIEW billing.overdue OWNER TO shop_owner;

--
-- Name: payments; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.payments (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    invoice_id bigint NOT NULL,
    method billing.payment_method NOT NULL,
    state billing.payment_state DEFAULT 'pending'::billing.payment_state NOT NULL,
    amount billing.positive_amount NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE billing.payments OWNER TO shop_owner;

--
-- Name: rates; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.rates (
    currency character(3) NOT NULL,
    day date NOT NULL,
    rate numeric(18,8) NOT NULL
);


ALTER TABLE billing.rates OWNER TO shop_owner;

--
-- Name: refunds; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.refunds (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    payment_id uuid NOT NULL,
    amount billing.positive_amount NOT NULL,
    reason text
);


ALTER TABLE billing.refunds OWNER TO shop_owner;

--
-- Name: tax_codes; Type: TABLE; Schema: billing; Owner: shop_owner
--

CREATE TABLE billing.tax_codes (
    code text NOT NULL,
    percent catalog.percentage NOT NULL,
    valid daterange NOT NULL
);


ALTER TABLE billing.tax_codes OWNER TO shop_owner;

--
-- Name: attributes; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.attributes (
    id integer NOT NULL,
    name text NOT NULL,
    type text NOT NULL
);


ALTER TABLE catalog.attributes OWNER TO shop_owner;

--
-- Name: attributes_id_seq; Type: SEQUENCE; Schema: catalog; Owner: shop_owner
--

ALTER TABLE catalog.attributes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME catalog.attributes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: brands; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.brands (
    id integer NOT NULL,
    name public.citext NOT NULL,
    country character(2)
);


ALTER TABLE catalog.brands OWNER TO shop_owner;

--
-- Name: brands_id_seq; Type: SEQUENCE; Schema: catalog; Owner: shop_owner
--

ALTER TABLE catalog.brands ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME catalog.brands_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: bundle_items; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.bundle_items (
    bundle_id integer NOT NULL,
    product_id uuid NOT NULL,
    quantity integer DEFAULT 1 NOT NULL
);


ALTER TABLE catalog.bundle_items OWNER TO shop_owner;

--
-- Name: bundles; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.bundles (
    id integer NOT NULL,
    name text NOT NULL,
    discount catalog.percentage NOT NULL
);


ALTER TABLE catalog.bundles OWNER TO shop_owner;

--
-- Name: bundles_id_seq; Type: SEQUENCE; Schema: catalog; Owner: shop_owner
--

ALTER TABLE catalog.bundles ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME catalog.bundles_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: categories; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.categories (
    id integer NOT NULL,
    path public.ltree NOT NULL,
    parent integer,
    slug shop.slug
);


ALTER TABLE catalog.categories OWNER TO shop_owner;

--
-- Name: categories_id_seq; Type: SEQUENCE; Schema: catalog; Owner: shop_owner
--

ALTER TABLE catalog.categories ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME catalog.categories_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: images; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.images (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    product_id uuid NOT NULL,
    url text NOT NULL,
    checksum bytea,
    "position" smallint DEFAULT 0 NOT NULL
);


ALTER TABLE catalog.images OWNER TO shop_owner;

--
-- Name: products; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.products (
    id uuid DEFAULT public.uuid_generate_v1mc() NOT NULL,
    sku text NOT NULL,
    name text NOT NULL,
    brand_id integer,
    category_id integer,
    price numeric(12,2) NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    tag_ids integer[] DEFAULT '{}'::integer[] NOT NULL,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    dimensions public.cube,
    weight stock.weight_range,
    search tsvector GENERATED ALWAYS AS (setweight(to_tsvector('english'::regconfig, name), 'A'::"char")) STORED,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);
ALTER TABLE ONLY catalog.products ALTER COLUMN category_id SET STATISTICS 500;
ALTER TABLE ONLY catalog.products ALTER COLUMN attributes SET STORAGE EXTERNAL;


ALTER TABLE catalog.products OWNER TO shop_owner;

--
-- Name: in_dictionary_order; Type: VIEW; Schema: catalog; Owner: shop_owner
--

CREATE VIEW catalog.in_dictionary_order AS
 SELECT id,
    name
   FROM catalog.products
  ORDER BY (name COLLATE "en_US.utf8");


ALTER VIEW catalog.in_dictionary_order OWNER TO shop_owner;

--
-- Name: names; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.names (
    product_id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."en_US.utf8"
);


ALTER TABLE catalog.names OWNER TO shop_owner;

--
-- Name: TABLE names; Type: COMMENT; Schema: catalog; Owner: shop_owner
--

COMMENT ON TABLE catalog.names IS 'names in the order of a dictionary';


--
-- Name: prices; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.prices (
    product_id uuid NOT NULL,
    valid tstzrange NOT NULL,
    price numeric(12,2) NOT NULL
);


ALTER TABLE catalog.prices OWNER TO shop_owner;

--
-- Name: product_attributes; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.product_attributes (
    product_id uuid NOT NULL,
    attribute_id integer NOT NULL,
    value text NOT NULL
);


ALTER TABLE catalog.product_attributes OWNER TO shop_owner;

--
-- Name: suppliers; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.suppliers (
    id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    contacts jsonb
);


ALTER TABLE catalog.suppliers OWNER TO shop_owner;

--
-- Name: suppliers_id_seq; Type: SEQUENCE; Schema: catalog; Owner: shop_owner
--

ALTER TABLE catalog.suppliers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME catalog.suppliers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: translations; Type: TABLE; Schema: catalog; Owner: shop_owner
--

CREATE TABLE catalog.translations (
    product_id uuid NOT NULL,
    language catalog.language_code NOT NULL,
    name text NOT NULL,
    description text
);


ALTER TABLE catalog.translations OWNER TO shop_owner;

--
-- Name: tree; Type: VIEW; Schema: catalog; Owner: shop_owner
--

CREATE VIEW catalog.tree AS
 WITH RECURSIVE t(id, path, depth) AS (
         SELECT categories.id,
            categories.path,
            0 AS "?column?"
           FROM catalog.categories
          WHERE (categories.parent IS NULL)
        UNION ALL
         SELECT c.id,
            c.path,
            (t_1.depth + 1)
           FROM (catalog.categories c
             JOIN t t_1 ON ((c.parent = t_1.id)))
        )
 SELECT id,
    path,
    depth
   FROM t;


ALTER VIEW catalog.tree OWNER TO shop_owner;

--
-- Name: old_orders; Type: FOREIGN TABLE; Schema: public; Owner: postgres
--

CREATE FOREIGN TABLE public.old_orders (
    id bigint NOT NULL,
    number text,
    total numeric(14,2)
)
SERVER archive
OPTIONS (
    schema_name 'shop',
    table_name 'orders'
);
ALTER FOREIGN TABLE ONLY public.old_orders ALTER COLUMN number OPTIONS (
    column_name 'order_number'
);


ALTER FOREIGN TABLE public.old_orders OWNER TO postgres;

--
-- Name: schema_version; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.schema_version (
    version integer NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL
);


ALTER TABLE public.schema_version OWNER TO postgres;

--
-- Name: slow_statements; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.slow_statements AS
 SELECT query,
    calls,
    mean_exec_time
   FROM public.pg_stat_statements
  WHERE (mean_exec_time > (100)::double precision);


ALTER VIEW public.slow_statements OWNER TO postgres;

--
-- Name: orders; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
)
PARTITION BY RANGE (placed_at);


ALTER TABLE shop.orders OWNER TO shop_owner;

--
-- Name: TABLE orders; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON TABLE shop.orders IS 'by month';


--
-- Name: best_customers; Type: VIEW; Schema: reporting; Owner: shop_owner
--

CREATE VIEW reporting.best_customers AS
 SELECT c.full_name,
    o.total,
    rank() OVER (PARTITION BY c.country ORDER BY o.total DESC) AS place
   FROM (shop.customers c
     JOIN LATERAL ( SELECT sum(orders.total) AS total
           FROM shop.orders
          WHERE (orders.customer_id = c.id)) o ON (true));


ALTER VIEW reporting.best_customers OWNER TO shop_owner;

--
-- Name: daily_sales; Type: MATERIALIZED VIEW; Schema: reporting; Owner: shop_owner
--

CREATE MATERIALIZED VIEW reporting.daily_sales AS
 SELECT (placed_at)::date AS day,
    count(*) AS orders,
    sum(total) AS total
   FROM shop.orders
  GROUP BY ((placed_at)::date)
  WITH NO DATA;


ALTER MATERIALIZED VIEW reporting.daily_sales OWNER TO shop_owner;

--
-- Name: MATERIALIZED VIEW daily_sales; Type: COMMENT; Schema: reporting; Owner: shop_owner
--

COMMENT ON MATERIALIZED VIEW reporting.daily_sales IS 'refreshed every night';


--
-- Name: COLUMN daily_sales.total; Type: COMMENT; Schema: reporting; Owner: shop_owner
--

COMMENT ON COLUMN reporting.daily_sales.total IS 'gross';


--
-- Name: order_documents; Type: VIEW; Schema: reporting; Owner: shop_owner
--

CREATE VIEW reporting.order_documents AS
 SELECT id,
    jsonb_build_object('number', number, 'lines', ( SELECT jsonb_agg(l.*) AS jsonb_agg
           FROM shop.order_lines l
          WHERE (l.order_id = o.id))) AS document
   FROM shop.orders o;


ALTER VIEW reporting.order_documents OWNER TO shop_owner;

--
-- Name: product_rank; Type: MATERIALIZED VIEW; Schema: reporting; Owner: shop_owner
--

CREATE MATERIALIZED VIEW reporting.product_rank AS
 SELECT product_id,
    sum(quantity) AS sold,
    rank() OVER (ORDER BY (sum(quantity)) DESC) AS place
   FROM shop.order_lines
  GROUP BY product_id
  WITH NO DATA;


ALTER MATERIALIZED VIEW reporting.product_rank OWNER TO shop_owner;

--
-- Name: revenue; Type: VIEW; Schema: reporting; Owner: shop_owner
--

CREATE VIEW reporting.revenue AS
 SELECT date_trunc('month'::text, placed_at) AS month,
    channel,
    sum(total) AS revenue,
    count(*) FILTER (WHERE (status = 'returned'::shop.order_status)) AS returned
   FROM shop.orders
  GROUP BY GROUPING SETS (((date_trunc('month'::text, placed_at)), channel), (channel));


ALTER VIEW reporting.revenue OWNER TO shop_owner;

--
-- Name: VIEW revenue; Type: COMMENT; Schema: reporting; Owner: shop_owner
--

COMMENT ON VIEW reporting.revenue IS 'per month and channel';


--
-- Name: revenue_by_channel; Type: VIEW; Schema: reporting; Owner: shop_owner
--

CREATE VIEW reporting.revenue_by_channel AS
 SELECT month,
    web,
    app
   FROM public.crosstab('SELECT 1, 2, 3'::text) t(month integer, web numeric, app numeric);


ALTER VIEW reporting.revenue_by_channel OWNER TO shop_owner;

--
-- Name: sales_with_rank; Type: VIEW; Schema: reporting; Owner: shop_owner
--

CREATE VIEW reporting.sales_with_rank AS
 SELECT r.place,
    p.name
   FROM (reporting.product_rank r
     JOIN catalog.products p ON ((p.id = r.product_id)));


ALTER VIEW reporting.sales_with_rank OWNER TO shop_owner;

--
-- Name: segments; Type: MATERIALIZED VIEW; Schema: reporting; Owner: shop_owner
--

CREATE MATERIALIZED VIEW reporting.segments AS
 SELECT unnest(segments) AS segment,
    count(*) AS customers
   FROM shop.customers
  GROUP BY (unnest(segments))
  WITH NO DATA;


ALTER MATERIALIZED VIEW reporting.segments OWNER TO shop_owner;

--
-- Name: active_customers; Type: VIEW; Schema: shop; Owner: shop_owner
--

CREATE VIEW shop.active_customers WITH (security_barrier='true') AS
 SELECT id,
    public_id,
    email,
    full_name,
    country
   FROM shop.customers
  WHERE (deleted_at IS NULL);


ALTER VIEW shop.active_customers OWNER TO shop_owner;

--
-- Name: carts; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE UNLOGGED TABLE shop.carts (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    session uuid,
    lines jsonb DEFAULT '[]'::jsonb NOT NULL
);


ALTER TABLE shop.carts OWNER TO shop_owner;

--
-- Name: countries; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.countries (
    code character(2) NOT NULL,
    name text NOT NULL,
    vat catalog.percentage NOT NULL,
    eu boolean DEFAULT false NOT NULL
);


ALTER TABLE shop.countries OWNER TO shop_owner;

--
-- Name: customer_addresses; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.customer_addresses (
    id bigint NOT NULL,
    customer_id bigint NOT NULL,
    kind text NOT NULL,
    address shop.address NOT NULL,
    latitude double precision,
    longitude double precision,
    valid daterange DEFAULT daterange(CURRENT_DATE, NULL::date) NOT NULL,
    CONSTRAINT customer_addresses_kind_check CHECK ((kind = ANY (ARRAY['billing'::text, 'delivery'::text])))
);


ALTER TABLE shop.customer_addresses OWNER TO shop_owner;

--
-- Name: customer_addresses_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.customer_addresses ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.customer_addresses_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: customers_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.customers ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME shop.customers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: main_customers; Type: VIEW; Schema: shop; Owner: shop_owner
--

CREATE VIEW shop.main_customers AS
 SELECT id,
    full_name,
    tenant
   FROM shop.customers
  WHERE (tenant = 'main'::text)
  WITH LOCAL CHECK OPTION;


ALTER VIEW shop.main_customers OWNER TO shop_owner;

--
-- Name: notes; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.notes (
    id integer NOT NULL,
    tenant text NOT NULL,
    body text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY shop.notes FORCE ROW LEVEL SECURITY;


ALTER TABLE shop.notes OWNER TO shop_owner;

--
-- Name: notes_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

CREATE SEQUENCE shop.notes_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE shop.notes_id_seq OWNER TO shop_owner;

--
-- Name: notes_id_seq; Type: SEQUENCE OWNED BY; Schema: shop; Owner: shop_owner
--

ALTER SEQUENCE shop.notes_id_seq OWNED BY shop.notes.id;


--
-- Name: open_orders; Type: VIEW; Schema: shop; Owner: shop_owner
--

CREATE VIEW shop.open_orders WITH (security_invoker='true') AS
 SELECT o.id,
    o.number,
    c.email,
    o.status,
    o.total
   FROM (shop.orders o
     JOIN shop.customers c ON ((c.id = o.customer_id)))
  WHERE (o.status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


ALTER VIEW shop.open_orders OWNER TO shop_owner;

--
-- Name: order_events; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.order_events (
    id bigint NOT NULL,
    order_id bigint NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    status shop.order_status NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    by_role name DEFAULT CURRENT_USER NOT NULL
);


ALTER TABLE shop.order_events OWNER TO shop_owner;

--
-- Name: order_events_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.order_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.order_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: order_number_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

CREATE SEQUENCE shop.order_number_seq
    START WITH 100000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 20;


ALTER SEQUENCE shop.order_number_seq OWNER TO shop_owner;

--
-- Name: orders_2026_01; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_01 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_01 OWNER TO shop_owner;

--
-- Name: orders_2026_02; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_02 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_02 OWNER TO shop_owner;

--
-- Name: orders_2026_03; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_03 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_03 OWNER TO shop_owner;

--
-- Name: orders_2026_04; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_04 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_04 OWNER TO shop_owner;

--
-- Name: orders_2026_05; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_05 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_05 OWNER TO shop_owner;

--
-- Name: orders_2026_06; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_2026_06 (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_2026_06 OWNER TO shop_owner;

--
-- Name: orders_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.orders ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.orders_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: orders_later; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.orders_later (
    id bigint NOT NULL,
    number text DEFAULT shop.next_order_number() NOT NULL,
    customer_id bigint NOT NULL,
    status shop.order_status DEFAULT 'draft'::shop.order_status NOT NULL,
    channel shop.channel DEFAULT 'web'::shop.channel NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    delivery shop.address,
    total numeric(14,2) DEFAULT 0 NOT NULL,
    discount catalog.percentage DEFAULT 0,
    note text,
    attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT orders_total_check CHECK ((total >= (0)::numeric))
);


ALTER TABLE shop.orders_later OWNER TO shop_owner;

--
-- Name: outbox; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.outbox (
    id bigint NOT NULL,
    topic public.ltree NOT NULL,
    payload jsonb NOT NULL,
    sent_at timestamp with time zone
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.05');

ALTER TABLE ONLY shop.outbox REPLICA IDENTITY FULL;


ALTER TABLE shop.outbox OWNER TO shop_owner;

--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME shop.outbox_id_seq
    START WITH 1000
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 10
);


--
-- Name: reviews; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.reviews (
    id bigint NOT NULL,
    product_id uuid NOT NULL,
    customer_id bigint,
    stars smallint NOT NULL,
    body text,
    language regconfig DEFAULT 'english'::regconfig NOT NULL,
    document tsvector,
    written_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reviews_stars_check CHECK (((stars >= 1) AND (stars <= 5)))
);


ALTER TABLE shop.reviews OWNER TO shop_owner;

--
-- Name: reviews_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

CREATE SEQUENCE shop.reviews_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE shop.reviews_id_seq OWNER TO shop_owner;

--
-- Name: reviews_id_seq; Type: SEQUENCE OWNED BY; Schema: shop; Owner: shop_owner
--

ALTER SEQUENCE shop.reviews_id_seq OWNED BY shop.reviews.id;


--
-- Name: sessions; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.sessions (
    token uuid DEFAULT gen_random_uuid() NOT NULL,
    customer_id bigint,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    ip inet,
    seen_at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE shop.sessions OWNER TO shop_owner;

--
-- Name: settings; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.settings (
    key text NOT NULL,
    value jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE shop.settings OWNER TO shop_owner;

--
-- Name: vouchers; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.vouchers (
    code public.citext NOT NULL,
    percent catalog.percentage,
    amount billing.positive_amount,
    valid tstzrange NOT NULL,
    pin_hash text,
    CONSTRAINT vouchers_check CHECK (((percent IS NULL) <> (amount IS NULL)))
);


ALTER TABLE shop.vouchers OWNER TO shop_owner;

--
-- Name: wishlists; Type: TABLE; Schema: shop; Owner: shop_owner
--

CREATE TABLE shop.wishlists (
    id bigint NOT NULL,
    customer_id bigint NOT NULL,
    title text DEFAULT 'Wishes'::text NOT NULL,
    products uuid[] DEFAULT '{}'::uuid[] NOT NULL
);


ALTER TABLE shop.wishlists OWNER TO shop_owner;

--
-- Name: wishlists_id_seq; Type: SEQUENCE; Schema: shop; Owner: shop_owner
--

CREATE SEQUENCE shop.wishlists_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE shop.wishlists_id_seq OWNER TO shop_owner;

--
-- Name: wishlists_id_seq; Type: SEQUENCE OWNED BY; Schema: shop; Owner: shop_owner
--

ALTER SEQUENCE shop.wishlists_id_seq OWNED BY shop.wishlists.id;


--
-- Name: batch_seq; Type: SEQUENCE; Schema: stock; Owner: shop_owner
--

CREATE SEQUENCE stock.batch_seq
    AS integer
    START WITH 1
    INCREMENT BY 10
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
    CYCLE;


ALTER SEQUENCE stock.batch_seq OWNER TO shop_owner;

--
-- Name: batches; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.batches (
    id integer DEFAULT nextval('stock.batch_seq'::regclass) NOT NULL,
    product_id uuid NOT NULL,
    best_before date
);


ALTER TABLE stock.batches OWNER TO shop_owner;

--
-- Name: bins; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.bins (
    warehouse_id smallint NOT NULL,
    code text NOT NULL
);


ALTER TABLE stock.bins OWNER TO shop_owner;

--
-- Name: counts; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.counts (
    id integer NOT NULL,
    warehouse_id smallint NOT NULL,
    counted_at timestamp with time zone NOT NULL
);


ALTER TABLE stock.counts OWNER TO shop_owner;

--
-- Name: counts_archive; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.counts_archive (
    archived_at timestamp with time zone DEFAULT now() NOT NULL
)
INHERITS (stock.counts);


ALTER TABLE stock.counts_archive OWNER TO shop_owner;

--
-- Name: counts_id_seq; Type: SEQUENCE; Schema: stock; Owner: shop_owner
--

CREATE SEQUENCE stock.counts_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


ALTER SEQUENCE stock.counts_id_seq OWNER TO shop_owner;

--
-- Name: counts_id_seq; Type: SEQUENCE OWNED BY; Schema: stock; Owner: shop_owner
--

ALTER SEQUENCE stock.counts_id_seq OWNED BY stock.counts.id;


--
-- Name: deliveries; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.deliveries (
    id integer NOT NULL,
    supplier_id integer NOT NULL,
    due date NOT NULL,
    received_at timestamp with time zone
);


ALTER TABLE stock.deliveries OWNER TO shop_owner;

--
-- Name: deliveries_id_seq; Type: SEQUENCE; Schema: stock; Owner: shop_owner
--

ALTER TABLE stock.deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME stock.deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: delivery_lines; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.delivery_lines (
    delivery_id integer NOT NULL,
    product_id uuid NOT NULL,
    quantity integer NOT NULL
);


ALTER TABLE stock.delivery_lines OWNER TO shop_owner;

--
-- Name: levels; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.levels (
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS ((on_hand - reserved)) STORED
)
PARTITION BY HASH (product_id);


ALTER TABLE stock.levels OWNER TO shop_owner;

--
-- Name: levels_0; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.levels_0 (
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS ((on_hand - reserved)) STORED
);


ALTER TABLE stock.levels_0 OWNER TO shop_owner;

--
-- Name: levels_1; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.levels_1 (
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS ((on_hand - reserved)) STORED
);


ALTER TABLE stock.levels_1 OWNER TO shop_owner;

--
-- Name: levels_2; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.levels_2 (
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS ((on_hand - reserved)) STORED
);


ALTER TABLE stock.levels_2 OWNER TO shop_owner;

--
-- Name: levels_3; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.levels_3 (
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    on_hand integer DEFAULT 0 NOT NULL,
    reserved integer DEFAULT 0 NOT NULL,
    available integer GENERATED ALWAYS AS ((on_hand - reserved)) STORED
);


ALTER TABLE stock.levels_3 OWNER TO shop_owner;

--
-- Name: movements; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.movements (
    id bigint NOT NULL,
    kind stock.movement_kind NOT NULL,
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    quantity integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY LIST (kind);


ALTER TABLE stock.movements OWNER TO shop_owner;

--
-- Name: movements_id_seq; Type: SEQUENCE; Schema: stock; Owner: shop_owner
--

ALTER TABLE stock.movements ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME stock.movements_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: movements_in; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.movements_in (
    id bigint NOT NULL,
    kind stock.movement_kind NOT NULL,
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    quantity integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE stock.movements_in OWNER TO shop_owner;

--
-- Name: movements_other; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.movements_other (
    id bigint NOT NULL,
    kind stock.movement_kind NOT NULL,
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    quantity integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE stock.movements_other OWNER TO shop_owner;

--
-- Name: movements_out; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.movements_out (
    id bigint NOT NULL,
    kind stock.movement_kind NOT NULL,
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    quantity integer NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


ALTER TABLE stock.movements_out OWNER TO shop_owner;

--
-- Name: reservations; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.reservations (
    id uuid DEFAULT public.uuid_generate_v4() NOT NULL,
    product_id uuid NOT NULL,
    warehouse_id smallint NOT NULL,
    quantity integer NOT NULL,
    during tstzrange NOT NULL,
    bin text
);


ALTER TABLE stock.reservations OWNER TO shop_owner;

--
-- Name: shortages; Type: VIEW; Schema: stock; Owner: shop_owner
--

CREATE VIEW stock.shortages AS
 SELECT product_id,
    sum(available) AS available
   FROM stock.levels
  GROUP BY product_id
 HAVING (sum(available) < 10);


ALTER VIEW stock.shortages OWNER TO shop_owner;

--
-- Name: warehouses; Type: TABLE; Schema: stock; Owner: shop_owner
--

CREATE TABLE stock.warehouses (
    id smallint NOT NULL,
    name text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    hours int4multirange
);


ALTER TABLE stock.warehouses OWNER TO shop_owner;

--
-- Name: log_2026_01; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');


--
-- Name: log_2026_02; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_02 FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');


--
-- Name: log_2026_03; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');


--
-- Name: log_2026_04; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_04 FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00');


--
-- Name: log_2026_05; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_05 FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00');


--
-- Name: log_2026_06; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_2026_06 FOR VALUES FROM ('2026-06-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');


--
-- Name: log_later; Type: TABLE ATTACH; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log ATTACH PARTITION audit.log_later DEFAULT;


--
-- Name: ledger_2026q1; Type: TABLE ATTACH; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger ATTACH PARTITION billing.ledger_2026q1 FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');


--
-- Name: ledger_2026q2; Type: TABLE ATTACH; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger ATTACH PARTITION billing.ledger_2026q2 FOR VALUES FROM ('2026-04-01') TO ('2026-07-01');


--
-- Name: ledger_2026q3; Type: TABLE ATTACH; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger ATTACH PARTITION billing.ledger_2026q3 FOR VALUES FROM ('2026-07-01') TO ('2026-10-01');


--
-- Name: ledger_2026q4; Type: TABLE ATTACH; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger ATTACH PARTITION billing.ledger_2026q4 FOR VALUES FROM ('2026-10-01') TO ('2027-01-01');


--
-- Name: orders_2026_01; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');


--
-- Name: orders_2026_02; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_02 FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');


--
-- Name: orders_2026_03; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');


--
-- Name: orders_2026_04; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_04 FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00');


--
-- Name: orders_2026_05; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_05 FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00');


--
-- Name: orders_2026_06; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_2026_06 FOR VALUES FROM ('2026-06-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');


--
-- Name: orders_later; Type: TABLE ATTACH; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders ATTACH PARTITION shop.orders_later DEFAULT;


--
-- Name: levels_0; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels ATTACH PARTITION stock.levels_0 FOR VALUES WITH (modulus 4, remainder 0);


--
-- Name: levels_1; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels ATTACH PARTITION stock.levels_1 FOR VALUES WITH (modulus 4, remainder 1);


--
-- Name: levels_2; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels ATTACH PARTITION stock.levels_2 FOR VALUES WITH (modulus 4, remainder 2);


--
-- Name: levels_3; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels ATTACH PARTITION stock.levels_3 FOR VALUES WITH (modulus 4, remainder 3);


--
-- Name: movements_in; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements ATTACH PARTITION stock.movements_in FOR VALUES IN ('receipt');


--
-- Name: movements_other; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements ATTACH PARTITION stock.movements_other FOR VALUES IN ('transfer', 'correction');


--
-- Name: movements_out; Type: TABLE ATTACH; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements ATTACH PARTITION stock.movements_out FOR VALUES IN ('issue');


--
-- Name: main_customers tenant; Type: DEFAULT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.main_customers ALTER COLUMN tenant SET DEFAULT 'main'::text;


--
-- Name: notes id; Type: DEFAULT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.notes ALTER COLUMN id SET DEFAULT nextval('shop.notes_id_seq'::regclass);


--
-- Name: reviews id; Type: DEFAULT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.reviews ALTER COLUMN id SET DEFAULT nextval('shop.reviews_id_seq'::regclass);


--
-- Name: wishlists id; Type: DEFAULT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.wishlists ALTER COLUMN id SET DEFAULT nextval('shop.wishlists_id_seq'::regclass);


--
-- Name: counts id; Type: DEFAULT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.counts ALTER COLUMN id SET DEFAULT nextval('stock.counts_id_seq'::regclass);


--
-- Name: counts_archive id; Type: DEFAULT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.counts_archive ALTER COLUMN id SET DEFAULT nextval('stock.counts_id_seq'::regclass);


--
-- Name: ddl ddl_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.ddl
    ADD CONSTRAINT ddl_pkey PRIMARY KEY (id);


--
-- Name: log log_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_01 log_2026_01_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_01
    ADD CONSTRAINT log_2026_01_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_02 log_2026_02_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_02
    ADD CONSTRAINT log_2026_02_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_03 log_2026_03_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_03
    ADD CONSTRAINT log_2026_03_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_04 log_2026_04_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_04
    ADD CONSTRAINT log_2026_04_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_05 log_2026_05_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_05
    ADD CONSTRAINT log_2026_05_pkey PRIMARY KEY (id, at);


--
-- Name: log_2026_06 log_2026_06_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_2026_06
    ADD CONSTRAINT log_2026_06_pkey PRIMARY KEY (id, at);


--
-- Name: log_later log_later_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.log_later
    ADD CONSTRAINT log_later_pkey PRIMARY KEY (id, at);


--
-- Name: logins logins_pkey; Type: CONSTRAINT; Schema: audit; Owner: shop_owner
--

ALTER TABLE ONLY audit.logins
    ADD CONSTRAINT logins_pkey PRIMARY KEY (id);


--
-- Name: accounts accounts_customer_id_key; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.accounts
    ADD CONSTRAINT accounts_customer_id_key UNIQUE (customer_id);


--
-- Name: accounts accounts_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (id);


--
-- Name: dunning dunning_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.dunning
    ADD CONSTRAINT dunning_pkey PRIMARY KEY (invoice_id);


--
-- Name: invoice_lines invoice_lines_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (invoice_id, line);


--
-- Name: invoices invoices_number_key; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoices
    ADD CONSTRAINT invoices_number_key UNIQUE (number);


--
-- Name: invoices invoices_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);


--
-- Name: ledger ledger_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (day, id);


--
-- Name: ledger_2026q1 ledger_2026q1_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger_2026q1
    ADD CONSTRAINT ledger_2026q1_pkey PRIMARY KEY (day, id);


--
-- Name: ledger_2026q2 ledger_2026q2_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger_2026q2
    ADD CONSTRAINT ledger_2026q2_pkey PRIMARY KEY (day, id);


--
-- Name: ledger_2026q3 ledger_2026q3_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger_2026q3
    ADD CONSTRAINT ledger_2026q3_pkey PRIMARY KEY (day, id);


--
-- Name: ledger_2026q4 ledger_2026q4_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.ledger_2026q4
    ADD CONSTRAINT ledger_2026q4_pkey PRIMARY KEY (day, id);


--
-- Name: payments payments_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (id);


--
-- Name: rates rates_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.rates
    ADD CONSTRAINT rates_pkey PRIMARY KEY (currency, day);


--
-- Name: refunds refunds_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.refunds
    ADD CONSTRAINT refunds_pkey PRIMARY KEY (id);


--
-- Name: tax_codes tax_codes_pkey; Type: CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.tax_codes
    ADD CONSTRAINT tax_codes_pkey PRIMARY KEY (code);


--
-- Name: attributes attributes_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.attributes
    ADD CONSTRAINT attributes_pkey PRIMARY KEY (id);


--
-- Name: brands brands_name_key; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.brands
    ADD CONSTRAINT brands_name_key UNIQUE (name);


--
-- Name: brands brands_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.brands
    ADD CONSTRAINT brands_pkey PRIMARY KEY (id);


--
-- Name: bundle_items bundle_items_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.bundle_items
    ADD CONSTRAINT bundle_items_pkey PRIMARY KEY (bundle_id, product_id);


--
-- Name: bundles bundles_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.bundles
    ADD CONSTRAINT bundles_pkey PRIMARY KEY (id);


--
-- Name: categories categories_path_key; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.categories
    ADD CONSTRAINT categories_path_key UNIQUE (path);


--
-- Name: categories categories_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.categories
    ADD CONSTRAINT categories_pkey PRIMARY KEY (id);


--
-- Name: images images_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.images
    ADD CONSTRAINT images_pkey PRIMARY KEY (id);


--
-- Name: images images_product_id_position_key; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.images
    ADD CONSTRAINT images_product_id_position_key UNIQUE (product_id, "position") DEFERRABLE INITIALLY DEFERRED;


--
-- Name: names names_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.names
    ADD CONSTRAINT names_pkey PRIMARY KEY (product_id);


--
-- Name: prices prices_do_not_overlap; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.prices
    ADD CONSTRAINT prices_do_not_overlap EXCLUDE USING gist (product_id WITH =, valid WITH &&) DEFERRABLE;


--
-- Name: product_attributes product_attributes_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.product_attributes
    ADD CONSTRAINT product_attributes_pkey PRIMARY KEY (product_id, attribute_id);


--
-- Name: products products_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (id);


--
-- Name: suppliers suppliers_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.suppliers
    ADD CONSTRAINT suppliers_pkey PRIMARY KEY (id);


--
-- Name: translations translations_pkey; Type: CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.translations
    ADD CONSTRAINT translations_pkey PRIMARY KEY (product_id, language);


--
-- Name: schema_version schema_version_pkey; Type: CONSTRAINT; Schema: public; Owner: postgres
--

ALTER TABLE ONLY public.schema_version
    ADD CONSTRAINT schema_version_pkey PRIMARY KEY (version);


--
-- Name: carts carts_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.carts
    ADD CONSTRAINT carts_pkey PRIMARY KEY (id);


--
-- Name: countries countries_name_key; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.countries
    ADD CONSTRAINT countries_name_key UNIQUE (name);


--
-- Name: countries countries_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.countries
    ADD CONSTRAINT countries_pkey PRIMARY KEY (code);


--
-- Name: customer_addresses customer_addresses_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customer_addresses
    ADD CONSTRAINT customer_addresses_pkey PRIMARY KEY (id);


--
-- Name: customers customers_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);


--
-- Name: customers customers_public_id_key; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_public_id_key UNIQUE (public_id);


--
-- Name: notes notes_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.notes
    ADD CONSTRAINT notes_pkey PRIMARY KEY (id);


--
-- Name: customer_addresses one_address_at_a_time; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customer_addresses
    ADD CONSTRAINT one_address_at_a_time EXCLUDE USING gist (customer_id WITH =, kind WITH =, valid WITH &&);


--
-- Name: CONSTRAINT one_address_at_a_time ON customer_addresses; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON CONSTRAINT one_address_at_a_time ON shop.customer_addresses IS 'of a kind';


--
-- Name: order_events order_events_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.order_events
    ADD CONSTRAINT order_events_pkey PRIMARY KEY (id);


--
-- Name: order_lines order_lines_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, placed_at, line);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_01 orders_2026_01_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_01
    ADD CONSTRAINT orders_2026_01_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_02 orders_2026_02_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_02
    ADD CONSTRAINT orders_2026_02_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_03 orders_2026_03_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_03
    ADD CONSTRAINT orders_2026_03_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_04 orders_2026_04_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_04
    ADD CONSTRAINT orders_2026_04_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_05 orders_2026_05_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_05
    ADD CONSTRAINT orders_2026_05_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_2026_06 orders_2026_06_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_2026_06
    ADD CONSTRAINT orders_2026_06_pkey PRIMARY KEY (id, placed_at);


--
-- Name: orders_later orders_later_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.orders_later
    ADD CONSTRAINT orders_later_pkey PRIMARY KEY (id, placed_at);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: reviews reviews_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (id);


--
-- Name: sessions sessions_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (token);


--
-- Name: settings settings_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (key);

ALTER TABLE ONLY shop.settings REPLICA IDENTITY USING INDEX settings_pkey;


--
-- Name: vouchers vouchers_code_valid_excl; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.vouchers
    ADD CONSTRAINT vouchers_code_valid_excl EXCLUDE USING gist (((code)::text) WITH =, valid WITH &&);


--
-- Name: vouchers vouchers_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.vouchers
    ADD CONSTRAINT vouchers_pkey PRIMARY KEY (code);


--
-- Name: wishlists wishlists_pkey; Type: CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.wishlists
    ADD CONSTRAINT wishlists_pkey PRIMARY KEY (id);


--
-- Name: batches batches_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (id);


--
-- Name: bins bins_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.bins
    ADD CONSTRAINT bins_pkey PRIMARY KEY (warehouse_id, code);


--
-- Name: counts counts_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.counts
    ADD CONSTRAINT counts_pkey PRIMARY KEY (id);


--
-- Name: deliveries deliveries_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);


--
-- Name: delivery_lines delivery_lines_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.delivery_lines
    ADD CONSTRAINT delivery_lines_pkey PRIMARY KEY (delivery_id, product_id);


--
-- Name: levels levels_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels
    ADD CONSTRAINT levels_pkey PRIMARY KEY (product_id, warehouse_id);


--
-- Name: levels_0 levels_0_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels_0
    ADD CONSTRAINT levels_0_pkey PRIMARY KEY (product_id, warehouse_id);


--
-- Name: levels_1 levels_1_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels_1
    ADD CONSTRAINT levels_1_pkey PRIMARY KEY (product_id, warehouse_id);


--
-- Name: levels_2 levels_2_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels_2
    ADD CONSTRAINT levels_2_pkey PRIMARY KEY (product_id, warehouse_id);


--
-- Name: levels_3 levels_3_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.levels_3
    ADD CONSTRAINT levels_3_pkey PRIMARY KEY (product_id, warehouse_id);


--
-- Name: movements movements_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements
    ADD CONSTRAINT movements_pkey PRIMARY KEY (kind, id);


--
-- Name: movements_in movements_in_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements_in
    ADD CONSTRAINT movements_in_pkey PRIMARY KEY (kind, id);


--
-- Name: movements_other movements_other_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements_other
    ADD CONSTRAINT movements_other_pkey PRIMARY KEY (kind, id);


--
-- Name: movements_out movements_out_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.movements_out
    ADD CONSTRAINT movements_out_pkey PRIMARY KEY (kind, id);


--
-- Name: reservations reservations_bin_warehouse_id_during_excl; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.reservations
    ADD CONSTRAINT reservations_bin_warehouse_id_during_excl EXCLUDE USING gist (bin WITH =, warehouse_id WITH =, during WITH &&);


--
-- Name: reservations reservations_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.reservations
    ADD CONSTRAINT reservations_pkey PRIMARY KEY (id);


--
-- Name: warehouses warehouses_pkey; Type: CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.warehouses
    ADD CONSTRAINT warehouses_pkey PRIMARY KEY (id);


--
-- Name: log_changes; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_changes ON ONLY audit.log USING gin (new_row);


--
-- Name: log_2026_01_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_01_new_row_idx ON audit.log_2026_01 USING gin (new_row);


--
-- Name: log_relation; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_relation ON ONLY audit.log USING btree (relation, at);


--
-- Name: log_2026_01_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_01_relation_at_idx ON audit.log_2026_01 USING btree (relation, at);


--
-- Name: log_2026_02_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_02_new_row_idx ON audit.log_2026_02 USING gin (new_row);


--
-- Name: log_2026_02_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_02_relation_at_idx ON audit.log_2026_02 USING btree (relation, at);


--
-- Name: log_2026_03_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_03_new_row_idx ON audit.log_2026_03 USING gin (new_row);


--
-- Name: log_2026_03_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_03_relation_at_idx ON audit.log_2026_03 USING btree (relation, at);


--
-- Name: log_2026_04_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_04_new_row_idx ON audit.log_2026_04 USING gin (new_row);


--
-- Name: log_2026_04_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_04_relation_at_idx ON audit.log_2026_04 USING btree (relation, at);


--
-- Name: log_2026_05_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_05_new_row_idx ON audit.log_2026_05 USING gin (new_row);


--
-- Name: log_2026_05_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_05_relation_at_idx ON audit.log_2026_05 USING btree (relation, at);


--
-- Name: log_2026_06_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_06_new_row_idx ON audit.log_2026_06 USING gin (new_row);


--
-- Name: log_2026_06_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_2026_06_relation_at_idx ON audit.log_2026_06 USING btree (relation, at);


--
-- Name: log_later_new_row_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_later_new_row_idx ON audit.log_later USING gin (new_row);


--
-- Name: log_later_relation_at_idx; Type: INDEX; Schema: audit; Owner: shop_owner
--

CREATE INDEX log_later_relation_at_idx ON audit.log_later USING btree (relation, at);


--
-- Name: invoices_account; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX invoices_account ON billing.invoices USING btree (account_id);


--
-- Name: invoices_order_key; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE UNIQUE INDEX invoices_order_key ON billing.invoices USING btree (order_id, placed_at) NULLS NOT DISTINCT WHERE (order_id > 0);


--
-- Name: invoices_unpaid; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX invoices_unpaid ON billing.invoices USING btree (due) WHERE (NOT paid);


--
-- Name: ledger_account; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX ledger_account ON ONLY billing.ledger USING btree (account_id, day);


--
-- Name: ledger_2026q1_account_id_day_idx; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX ledger_2026q1_account_id_day_idx ON billing.ledger_2026q1 USING btree (account_id, day);


--
-- Name: ledger_2026q2_account_id_day_idx; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX ledger_2026q2_account_id_day_idx ON billing.ledger_2026q2 USING btree (account_id, day);


--
-- Name: ledger_2026q3_account_id_day_idx; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX ledger_2026q3_account_id_day_idx ON billing.ledger_2026q3 USING btree (account_id, day);


--
-- Name: ledger_2026q4_account_id_day_idx; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX ledger_2026q4_account_id_day_idx ON billing.ledger_2026q4 USING btree (account_id, day);


--
-- Name: payments_invoice; Type: INDEX; Schema: billing; Owner: shop_owner
--

CREATE INDEX payments_invoice ON billing.payments USING btree (invoice_id, state);


--
-- Name: categories_path; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX categories_path ON catalog.categories USING gist (path public.gist_ltree_ops (siglen='100'));


--
-- Name: names_name_idx; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX names_name_idx ON catalog.names USING btree (name);


--
-- Name: products_attributes; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_attributes ON catalog.products USING gin (attributes);


--
-- Name: products_brand; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_brand ON catalog.products USING btree (brand_id) WITH (deduplicate_items=off);


--
-- Name: products_category_price; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_category_price ON catalog.products USING btree (category_id, price) WHERE active;


--
-- Name: products_dimensions; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_dimensions ON catalog.products USING gist (dimensions);


--
-- Name: products_name_folded; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_name_folded ON catalog.products USING gin (shop.fold(name) public.gin_trgm_ops);


--
-- Name: products_search; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_search ON catalog.products USING gin (search);


--
-- Name: products_sku_key; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE UNIQUE INDEX products_sku_key ON catalog.products USING btree (upper(sku));


--
-- Name: products_tag_ids; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_tag_ids ON catalog.products USING gist (tag_ids public.gist__intbig_ops);


--
-- Name: products_tags; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX products_tags ON catalog.products USING gin (tags, active);


--
-- Name: translations_name; Type: INDEX; Schema: catalog; Owner: shop_owner
--

CREATE INDEX translations_name ON catalog.translations USING btree (lower(name));


--
-- Name: daily_sales_day; Type: INDEX; Schema: reporting; Owner: shop_owner
--

CREATE UNIQUE INDEX daily_sales_day ON reporting.daily_sales USING btree (day);


--
-- Name: product_rank_product; Type: INDEX; Schema: reporting; Owner: shop_owner
--

CREATE UNIQUE INDEX product_rank_product ON reporting.product_rank USING btree (product_id);


--
-- Name: segments_segment; Type: INDEX; Schema: reporting; Owner: shop_owner
--

CREATE INDEX segments_segment ON reporting.segments USING btree (segment);


--
-- Name: addresses_place; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX addresses_place ON shop.customer_addresses USING gist (public.ll_to_earth(latitude, longitude));


--
-- Name: addresses_postcode; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX addresses_postcode ON shop.customer_addresses USING btree (((address).postcode) text_pattern_ops);


--
-- Name: customers_email_key; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX customers_email_key ON shop.customers USING btree (email) WHERE (deleted_at IS NULL);


--
-- Name: customers_folded_trgm; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_folded_trgm ON shop.customers USING gist (folded_name public.gist_trgm_ops);


--
-- Name: customers_hash; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_hash ON shop.customers USING hash (email_hash);


--
-- Name: customers_name_trgm; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_name_trgm ON shop.customers USING gin (full_name public.gin_trgm_ops);


--
-- Name: INDEX customers_name_trgm; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON INDEX shop.customers_name_trgm IS 'for the search box';


--
-- Name: customers_preferences; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_preferences ON shop.customers USING gin (preferences);


--
-- Name: customers_segments; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_segments ON shop.customers USING gin (segments public.gin__int_ops);


--
-- Name: customers_sounds_like; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_sounds_like ON shop.customers USING btree (public.soundex(full_name));


--
-- Name: customers_tenant_created; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX customers_tenant_created ON shop.customers USING btree (tenant, created_at DESC NULLS LAST) INCLUDE (public_id);

ALTER TABLE shop.customers CLUSTER ON customers_tenant_created;


--
-- Name: order_lines_product; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX order_lines_product ON shop.order_lines USING btree (product_id);


--
-- Name: orders_customer; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_customer ON ONLY shop.orders USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_01_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_01_customer_id_placed_at_idx ON shop.orders_2026_01 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_number; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_number ON ONLY shop.orders USING btree (number, placed_at);


--
-- Name: orders_2026_01_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_01_number_placed_at_idx ON shop.orders_2026_01 USING btree (number, placed_at);


--
-- Name: orders_open; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_open ON ONLY shop.orders USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_01_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_01_status_idx ON shop.orders_2026_01 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_02_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_02_customer_id_placed_at_idx ON shop.orders_2026_02 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_02_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_02_number_placed_at_idx ON shop.orders_2026_02 USING btree (number, placed_at);


--
-- Name: orders_2026_02_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_02_status_idx ON shop.orders_2026_02 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_03_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_03_customer_id_placed_at_idx ON shop.orders_2026_03 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_03_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_03_number_placed_at_idx ON shop.orders_2026_03 USING btree (number, placed_at);


--
-- Name: orders_2026_03_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_03_status_idx ON shop.orders_2026_03 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_04_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_04_customer_id_placed_at_idx ON shop.orders_2026_04 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_04_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_04_number_placed_at_idx ON shop.orders_2026_04 USING btree (number, placed_at);


--
-- Name: orders_2026_04_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_04_status_idx ON shop.orders_2026_04 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_05_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_05_customer_id_placed_at_idx ON shop.orders_2026_05 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_05_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_05_number_placed_at_idx ON shop.orders_2026_05 USING btree (number, placed_at);


--
-- Name: orders_2026_05_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_05_status_idx ON shop.orders_2026_05 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_2026_06_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_06_customer_id_placed_at_idx ON shop.orders_2026_06 USING btree (customer_id, placed_at DESC);


--
-- Name: orders_2026_06_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_2026_06_number_placed_at_idx ON shop.orders_2026_06 USING btree (number, placed_at);


--
-- Name: orders_2026_06_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_2026_06_status_idx ON shop.orders_2026_06 USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: orders_later_customer_id_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_later_customer_id_placed_at_idx ON shop.orders_later USING btree (customer_id, placed_at DESC);


--
-- Name: orders_later_number_placed_at_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE UNIQUE INDEX orders_later_number_placed_at_idx ON shop.orders_later USING btree (number, placed_at);


--
-- Name: orders_later_status_idx; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX orders_later_status_idx ON shop.orders_later USING btree (status) WHERE (status = ANY (ARRAY['placed'::shop.order_status, 'paid'::shop.order_status, 'packed'::shop.order_status]));


--
-- Name: outbox_topic; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX outbox_topic ON shop.outbox USING gist (topic);


--
-- Name: outbox_unsent; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX outbox_unsent ON shop.outbox USING btree (id) WHERE (sent_at IS NULL);


--
-- Name: reviews_document; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX reviews_document ON shop.reviews USING gin (document);


--
-- Name: reviews_product_stars; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX reviews_product_stars ON shop.reviews USING gin (product_id, stars);


--
-- Name: sessions_data; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX sessions_data ON shop.sessions USING gin (data jsonb_path_ops);


--
-- Name: sessions_ip; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX sessions_ip ON shop.sessions USING spgist (ip);


--
-- Name: sessions_seen; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX sessions_seen ON shop.sessions USING brin (seen_at) WITH (pages_per_range='32');


--
-- Name: wishlists_products; Type: INDEX; Schema: shop; Owner: shop_owner
--

CREATE INDEX wishlists_products ON shop.wishlists USING gin (products);


--
-- Name: levels_available; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX levels_available ON ONLY stock.levels USING btree (available) WHERE (available < 10);


--
-- Name: levels_0_available_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX levels_0_available_idx ON stock.levels_0 USING btree (available) WHERE (available < 10);


--
-- Name: levels_1_available_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX levels_1_available_idx ON stock.levels_1 USING btree (available) WHERE (available < 10);


--
-- Name: levels_2_available_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX levels_2_available_idx ON stock.levels_2 USING btree (available) WHERE (available < 10);


--
-- Name: levels_3_available_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX levels_3_available_idx ON stock.levels_3 USING btree (available) WHERE (available < 10);


--
-- Name: movements_product; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX movements_product ON ONLY stock.movements USING btree (product_id, at);


--
-- Name: movements_in_product_id_at_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX movements_in_product_id_at_idx ON stock.movements_in USING btree (product_id, at);


--
-- Name: movements_other_product_id_at_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX movements_other_product_id_at_idx ON stock.movements_other USING btree (product_id, at);


--
-- Name: movements_out_product_id_at_idx; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX movements_out_product_id_at_idx ON stock.movements_out USING btree (product_id, at);


--
-- Name: warehouses_place; Type: INDEX; Schema: stock; Owner: shop_owner
--

CREATE INDEX warehouses_place ON stock.warehouses USING gist (public.ll_to_earth(latitude, longitude));


--
-- Name: log_2026_01_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_01_new_row_idx;


--
-- Name: log_2026_01_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_01_pkey;


--
-- Name: log_2026_01_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_01_relation_at_idx;


--
-- Name: log_2026_02_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_02_new_row_idx;


--
-- Name: log_2026_02_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_02_pkey;


--
-- Name: log_2026_02_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_02_relation_at_idx;


--
-- Name: log_2026_03_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_03_new_row_idx;


--
-- Name: log_2026_03_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_03_pkey;


--
-- Name: log_2026_03_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_03_relation_at_idx;


--
-- Name: log_2026_04_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_04_new_row_idx;


--
-- Name: log_2026_04_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_04_pkey;


--
-- Name: log_2026_04_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_04_relation_at_idx;


--
-- Name: log_2026_05_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_05_new_row_idx;


--
-- Name: log_2026_05_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_05_pkey;


--
-- Name: log_2026_05_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_05_relation_at_idx;


--
-- Name: log_2026_06_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_2026_06_new_row_idx;


--
-- Name: log_2026_06_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_2026_06_pkey;


--
-- Name: log_2026_06_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_2026_06_relation_at_idx;


--
-- Name: log_later_new_row_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_changes ATTACH PARTITION audit.log_later_new_row_idx;


--
-- Name: log_later_pkey; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_pkey ATTACH PARTITION audit.log_later_pkey;


--
-- Name: log_later_relation_at_idx; Type: INDEX ATTACH; Schema: audit; Owner: shop_owner
--

ALTER INDEX audit.log_relation ATTACH PARTITION audit.log_later_relation_at_idx;


--
-- Name: ledger_2026q1_account_id_day_idx; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_account ATTACH PARTITION billing.ledger_2026q1_account_id_day_idx;


--
-- Name: ledger_2026q1_pkey; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_pkey ATTACH PARTITION billing.ledger_2026q1_pkey;


--
-- Name: ledger_2026q2_account_id_day_idx; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_account ATTACH PARTITION billing.ledger_2026q2_account_id_day_idx;


--
-- Name: ledger_2026q2_pkey; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_pkey ATTACH PARTITION billing.ledger_2026q2_pkey;


--
-- Name: ledger_2026q3_account_id_day_idx; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_account ATTACH PARTITION billing.ledger_2026q3_account_id_day_idx;


--
-- Name: ledger_2026q3_pkey; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_pkey ATTACH PARTITION billing.ledger_2026q3_pkey;


--
-- Name: ledger_2026q4_account_id_day_idx; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_account ATTACH PARTITION billing.ledger_2026q4_account_id_day_idx;


--
-- Name: ledger_2026q4_pkey; Type: INDEX ATTACH; Schema: billing; Owner: shop_owner
--

ALTER INDEX billing.ledger_pkey ATTACH PARTITION billing.ledger_2026q4_pkey;


--
-- Name: orders_2026_01_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_01_customer_id_placed_at_idx;


--
-- Name: orders_2026_01_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_01_number_placed_at_idx;


--
-- Name: orders_2026_01_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_01_pkey;


--
-- Name: orders_2026_01_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_01_status_idx;


--
-- Name: orders_2026_02_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_02_customer_id_placed_at_idx;


--
-- Name: orders_2026_02_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_02_number_placed_at_idx;


--
-- Name: orders_2026_02_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_02_pkey;


--
-- Name: orders_2026_02_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_02_status_idx;


--
-- Name: orders_2026_03_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_03_customer_id_placed_at_idx;


--
-- Name: orders_2026_03_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_03_number_placed_at_idx;


--
-- Name: orders_2026_03_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_03_pkey;


--
-- Name: orders_2026_03_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_03_status_idx;


--
-- Name: orders_2026_04_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_04_customer_id_placed_at_idx;


--
-- Name: orders_2026_04_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_04_number_placed_at_idx;


--
-- Name: orders_2026_04_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_04_pkey;


--
-- Name: orders_2026_04_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_04_status_idx;


--
-- Name: orders_2026_05_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_05_customer_id_placed_at_idx;


--
-- Name: orders_2026_05_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_05_number_placed_at_idx;


--
-- Name: orders_2026_05_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_05_pkey;


--
-- Name: orders_2026_05_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_05_status_idx;


--
-- Name: orders_2026_06_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_2026_06_customer_id_placed_at_idx;


--
-- Name: orders_2026_06_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_2026_06_number_placed_at_idx;


--
-- Name: orders_2026_06_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_2026_06_pkey;


--
-- Name: orders_2026_06_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_2026_06_status_idx;


--
-- Name: orders_later_customer_id_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_customer ATTACH PARTITION shop.orders_later_customer_id_placed_at_idx;


--
-- Name: orders_later_number_placed_at_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_number ATTACH PARTITION shop.orders_later_number_placed_at_idx;


--
-- Name: orders_later_pkey; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.orders_later_pkey;


--
-- Name: orders_later_status_idx; Type: INDEX ATTACH; Schema: shop; Owner: shop_owner
--

ALTER INDEX shop.orders_open ATTACH PARTITION shop.orders_later_status_idx;


--
-- Name: levels_0_available_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_available ATTACH PARTITION stock.levels_0_available_idx;


--
-- Name: levels_0_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_pkey ATTACH PARTITION stock.levels_0_pkey;


--
-- Name: levels_1_available_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_available ATTACH PARTITION stock.levels_1_available_idx;


--
-- Name: levels_1_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_pkey ATTACH PARTITION stock.levels_1_pkey;


--
-- Name: levels_2_available_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_available ATTACH PARTITION stock.levels_2_available_idx;


--
-- Name: levels_2_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_pkey ATTACH PARTITION stock.levels_2_pkey;


--
-- Name: levels_3_available_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_available ATTACH PARTITION stock.levels_3_available_idx;


--
-- Name: levels_3_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.levels_pkey ATTACH PARTITION stock.levels_3_pkey;


--
-- Name: movements_in_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_pkey ATTACH PARTITION stock.movements_in_pkey;


--
-- Name: movements_in_product_id_at_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_product ATTACH PARTITION stock.movements_in_product_id_at_idx;


--
-- Name: movements_other_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_pkey ATTACH PARTITION stock.movements_other_pkey;


--
-- Name: movements_other_product_id_at_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_product ATTACH PARTITION stock.movements_other_product_id_at_idx;


--
-- Name: movements_out_pkey; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_pkey ATTACH PARTITION stock.movements_out_pkey;


--
-- Name: movements_out_product_id_at_idx; Type: INDEX ATTACH; Schema: stock; Owner: shop_owner
--

ALTER INDEX stock.movements_product ATTACH PARTITION stock.movements_out_product_id_at_idx;


--
-- Name: products_expression; Type: STATISTICS; Schema: catalog; Owner: shop_owner
--

CREATE STATISTICS catalog.products_expression ON brand_id, lower(name) FROM catalog.products;


ALTER STATISTICS catalog.products_expression OWNER TO shop_owner;

--
-- Name: customers_place; Type: STATISTICS; Schema: shop; Owner: shop_owner
--

CREATE STATISTICS shop.customers_place (ndistinct, dependencies) ON country, tenant FROM shop.customers;


ALTER STATISTICS shop.customers_place OWNER TO shop_owner;

--
-- Name: ledger no_delete; Type: RULE; Schema: billing; Owner: shop_owner
--

CREATE RULE no_delete AS
    ON DELETE TO billing.ledger DO INSTEAD NOTHING;


--
-- Name: accounts audit; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON billing.accounts FOR EACH ROW EXECUTE FUNCTION audit.record();

ALTER TABLE billing.accounts ENABLE ALWAYS TRIGGER audit;


--
-- Name: invoices audit; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON billing.invoices FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: payments audit; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON billing.payments FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: refunds audit; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON billing.refunds FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: tax_codes audit; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON billing.tax_codes FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: payments settle; Type: TRIGGER; Schema: billing; Owner: shop_owner
--

CREATE CONSTRAINT TRIGGER settle AFTER INSERT OR UPDATE ON billing.payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION billing.settle();


--
-- Name: prices audit; Type: TRIGGER; Schema: catalog; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON catalog.prices FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: products audit; Type: TRIGGER; Schema: catalog; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON catalog.products FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: suppliers audit; Type: TRIGGER; Schema: catalog; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON catalog.suppliers FOR EACH ROW EXECUTE FUNCTION audit.record();

ALTER TABLE catalog.suppliers DISABLE TRIGGER audit;


--
-- Name: products touch; Type: TRIGGER; Schema: catalog; Owner: shop_owner
--

CREATE TRIGGER touch BEFORE UPDATE OF name, price ON catalog.products FOR EACH ROW EXECUTE FUNCTION shop.touch();


--
-- Name: customers audit; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: settings audit; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON shop.settings FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: vouchers audit; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER audit AFTER INSERT OR DELETE OR UPDATE ON shop.vouchers FOR EACH ROW EXECUTE FUNCTION audit.record();


--
-- Name: reviews index_review; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER index_review BEFORE INSERT OR UPDATE ON shop.reviews FOR EACH ROW EXECUTE FUNCTION shop.index_review();


--
-- Name: notes search; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER search BEFORE INSERT ON shop.notes FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();


--
-- Name: customers touch; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER touch BEFORE UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.touch();


--
-- Name: TRIGGER touch ON customers; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON TRIGGER touch ON shop.customers IS 'keeps updated_at';


--
-- Name: settings touch; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER touch BEFORE UPDATE ON shop.settings FOR EACH ROW WHEN ((old.* IS DISTINCT FROM new.*)) EXECUTE FUNCTION shop.touch();


--
-- Name: orders track_status; Type: TRIGGER; Schema: shop; Owner: shop_owner
--

CREATE TRIGGER track_status AFTER INSERT OR UPDATE OF status ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.track_status();


--
-- Name: movements apply_movement; Type: TRIGGER; Schema: stock; Owner: shop_owner
--

CREATE TRIGGER apply_movement AFTER INSERT ON stock.movements FOR EACH ROW EXECUTE FUNCTION stock.apply_movement();


--
-- Name: accounts accounts_customer_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.accounts
    ADD CONSTRAINT accounts_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id);


--
-- Name: dunning dunning_invoice_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.dunning
    ADD CONSTRAINT dunning_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES billing.invoices(id);


--
-- Name: invoice_lines invoice_lines_invoice_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoice_lines
    ADD CONSTRAINT invoice_lines_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES billing.invoices(id) ON DELETE CASCADE;


--
-- Name: invoices invoices_account_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoices
    ADD CONSTRAINT invoices_account_id_fkey FOREIGN KEY (account_id) REFERENCES billing.accounts(id);


--
-- Name: invoices invoices_order_id_placed_at_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.invoices
    ADD CONSTRAINT invoices_order_id_placed_at_fkey FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders(id, placed_at);


--
-- Name: payments payments_invoice_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.payments
    ADD CONSTRAINT payments_invoice_id_fkey FOREIGN KEY (invoice_id) REFERENCES billing.invoices(id);


--
-- Name: refunds refunds_payment_id_fkey; Type: FK CONSTRAINT; Schema: billing; Owner: shop_owner
--

ALTER TABLE ONLY billing.refunds
    ADD CONSTRAINT refunds_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES billing.payments(id);


--
-- Name: brands brands_country_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.brands
    ADD CONSTRAINT brands_country_fkey FOREIGN KEY (country) REFERENCES shop.countries(code);


--
-- Name: bundle_items bundle_items_bundle_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.bundle_items
    ADD CONSTRAINT bundle_items_bundle_id_fkey FOREIGN KEY (bundle_id) REFERENCES catalog.bundles(id);


--
-- Name: bundle_items bundle_items_product_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.bundle_items
    ADD CONSTRAINT bundle_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: categories categories_parent_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.categories
    ADD CONSTRAINT categories_parent_fkey FOREIGN KEY (parent) REFERENCES catalog.categories(id);


--
-- Name: images images_product_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.images
    ADD CONSTRAINT images_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: prices prices_product_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.prices
    ADD CONSTRAINT prices_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: product_attributes product_attributes_attribute_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.product_attributes
    ADD CONSTRAINT product_attributes_attribute_id_fkey FOREIGN KEY (attribute_id) REFERENCES catalog.attributes(id);


--
-- Name: product_attributes product_attributes_product_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.product_attributes
    ADD CONSTRAINT product_attributes_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: products products_brand_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.products
    ADD CONSTRAINT products_brand_id_fkey FOREIGN KEY (brand_id) REFERENCES catalog.brands(id);


--
-- Name: products products_category_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.products
    ADD CONSTRAINT products_category_id_fkey FOREIGN KEY (category_id) REFERENCES catalog.categories(id);


--
-- Name: translations translations_product_id_fkey; Type: FK CONSTRAINT; Schema: catalog; Owner: shop_owner
--

ALTER TABLE ONLY catalog.translations
    ADD CONSTRAINT translations_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id) ON DELETE CASCADE;


--
-- Name: carts carts_session_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.carts
    ADD CONSTRAINT carts_session_fkey FOREIGN KEY (session) REFERENCES shop.sessions(token) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;


--
-- Name: customer_addresses customer_addresses_customer_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customer_addresses
    ADD CONSTRAINT customer_addresses_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id) ON DELETE CASCADE;


--
-- Name: customers customers_country_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.customers
    ADD CONSTRAINT customers_country_fkey FOREIGN KEY (country) REFERENCES shop.countries(code);


--
-- Name: order_events order_events_order_id_placed_at_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.order_events
    ADD CONSTRAINT order_events_order_id_placed_at_fkey FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders(id, placed_at);


--
-- Name: order_lines order_lines_order_id_placed_at_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_order_id_placed_at_fkey FOREIGN KEY (order_id, placed_at) REFERENCES shop.orders(id, placed_at) ON DELETE CASCADE;


--
-- Name: order_lines order_lines_product_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.order_lines
    ADD CONSTRAINT order_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: orders orders_customer_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id);


--
-- Name: reviews reviews_customer_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.reviews
    ADD CONSTRAINT reviews_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id) ON DELETE SET NULL;


--
-- Name: reviews reviews_product_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.reviews
    ADD CONSTRAINT reviews_product_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id) NOT VALID;


--
-- Name: sessions sessions_customer_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.sessions
    ADD CONSTRAINT sessions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id) ON DELETE CASCADE;


--
-- Name: wishlists wishlists_customer_id_fkey; Type: FK CONSTRAINT; Schema: shop; Owner: shop_owner
--

ALTER TABLE ONLY shop.wishlists
    ADD CONSTRAINT wishlists_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES shop.customers(id);


--
-- Name: batches batches_product_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.batches
    ADD CONSTRAINT batches_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: bins bins_warehouse_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.bins
    ADD CONSTRAINT bins_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES stock.warehouses(id);


--
-- Name: counts counts_warehouse_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.counts
    ADD CONSTRAINT counts_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES stock.warehouses(id);


--
-- Name: deliveries deliveries_supplier_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.deliveries
    ADD CONSTRAINT deliveries_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES catalog.suppliers(id);


--
-- Name: delivery_lines delivery_lines_delivery_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.delivery_lines
    ADD CONSTRAINT delivery_lines_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES stock.deliveries(id) ON DELETE CASCADE;


--
-- Name: delivery_lines delivery_lines_product_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.delivery_lines
    ADD CONSTRAINT delivery_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: levels levels_product_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE stock.levels
    ADD CONSTRAINT levels_product_id_fkey FOREIGN KEY (product_id) REFERENCES catalog.products(id);


--
-- Name: levels levels_warehouse_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE stock.levels
    ADD CONSTRAINT levels_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES stock.warehouses(id);


--
-- Name: reservations reservations_product_id_warehouse_id_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.reservations
    ADD CONSTRAINT reservations_product_id_warehouse_id_fkey FOREIGN KEY (product_id, warehouse_id) REFERENCES stock.levels(product_id, warehouse_id);


--
-- Name: reservations reservations_warehouse_id_bin_fkey; Type: FK CONSTRAINT; Schema: stock; Owner: shop_owner
--

ALTER TABLE ONLY stock.reservations
    ADD CONSTRAINT reservations_warehouse_id_bin_fkey FOREIGN KEY (warehouse_id, bin) REFERENCES stock.bins(warehouse_id, code);


--
-- Name: customers; Type: ROW SECURITY; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;

--
-- Name: customers never_delete; Type: POLICY; Schema: shop; Owner: shop_owner
--

CREATE POLICY never_delete ON shop.customers AS RESTRICTIVE FOR DELETE TO shop_app USING ((deleted_at IS NOT NULL));


--
-- Name: notes; Type: ROW SECURITY; Schema: shop; Owner: shop_owner
--

ALTER TABLE shop.notes ENABLE ROW LEVEL SECURITY;

--
-- Name: notes own; Type: POLICY; Schema: shop; Owner: shop_owner
--

CREATE POLICY own ON shop.notes TO shop_app USING ((tenant = CURRENT_USER));


--
-- Name: customers reporting; Type: POLICY; Schema: shop; Owner: shop_owner
--

CREATE POLICY reporting ON shop.customers FOR SELECT TO shop_reporting USING (true);


--
-- Name: customers tenant; Type: POLICY; Schema: shop; Owner: shop_owner
--

CREATE POLICY tenant ON shop.customers USING ((tenant = current_setting('shop.tenant'::text, true))) WITH CHECK ((tenant = current_setting('shop.tenant'::text, true)));


--
-- Name: POLICY tenant ON customers; Type: COMMENT; Schema: shop; Owner: shop_owner
--

COMMENT ON POLICY tenant ON shop.customers IS 'the application sets shop.tenant';


--
-- Name: everything; Type: PUBLICATION; Schema: -; Owner: postgres
--

CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, update, delete, truncate');


ALTER PUBLICATION everything OWNER TO postgres;

--
-- Name: everything_sold; Type: PUBLICATION; Schema: -; Owner: postgres
--

CREATE PUBLICATION everything_sold WITH (publish = 'insert, update, delete, truncate');


ALTER PUBLICATION everything_sold OWNER TO postgres;

--
-- Name: shop_customers; Type: PUBLICATION; Schema: -; Owner: shop_owner
--

CREATE PUBLICATION shop_customers WITH (publish = 'insert, update, delete, truncate');


ALTER PUBLICATION shop_customers OWNER TO shop_owner;

--
-- Name: shop_orders; Type: PUBLICATION; Schema: -; Owner: shop_owner
--

CREATE PUBLICATION shop_orders WITH (publish = 'insert, update', publish_via_partition_root = true);


ALTER PUBLICATION shop_orders OWNER TO shop_owner;

--
-- Name: shop_outbox; Type: PUBLICATION; Schema: -; Owner: shop_owner
--

CREATE PUBLICATION shop_outbox WITH (publish = 'insert');


ALTER PUBLICATION shop_outbox OWNER TO shop_owner;

--
-- Name: PUBLICATION shop_outbox; Type: COMMENT; Schema: -; Owner: shop_owner
--

COMMENT ON PUBLICATION shop_outbox IS 'for the message broker';


--
-- Name: shop_customers customers; Type: PUBLICATION TABLE; Schema: shop; Owner: shop_owner
--

ALTER PUBLICATION shop_customers ADD TABLE ONLY shop.customers (id, public_id, full_name, tenant) WHERE ((tenant = 'main'::text));


--
-- Name: shop_orders order_lines; Type: PUBLICATION TABLE; Schema: shop; Owner: shop_owner
--

ALTER PUBLICATION shop_orders ADD TABLE ONLY shop.order_lines;


--
-- Name: everything_sold orders; Type: PUBLICATION TABLE; Schema: shop; Owner: postgres
--

ALTER PUBLICATION everything_sold ADD TABLE ONLY shop.orders;


--
-- Name: shop_orders orders; Type: PUBLICATION TABLE; Schema: shop; Owner: shop_owner
--

ALTER PUBLICATION shop_orders ADD TABLE ONLY shop.orders;


--
-- Name: shop_outbox outbox; Type: PUBLICATION TABLE; Schema: shop; Owner: shop_owner
--

ALTER PUBLICATION shop_outbox ADD TABLE ONLY shop.outbox;


--
-- Name: everything_sold catalog; Type: PUBLICATION TABLES IN SCHEMA; Schema: catalog; Owner: postgres
--

ALTER PUBLICATION everything_sold ADD TABLES IN SCHEMA catalog;


--
-- Name: DATABASE shop; Type: ACL; Schema: -; Owner: shop_owner
--

REVOKE CONNECT,TEMPORARY ON DATABASE shop FROM PUBLIC;
GRANT CONNECT,TEMPORARY ON DATABASE shop TO shop_app;
GRANT CONNECT ON DATABASE shop TO shop_reporting;
GRANT CONNECT ON DATABASE shop TO shop_cdc;
GRANT CONNECT ON DATABASE shop TO shop_support;


--
-- Name: SCHEMA audit; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT ALL ON SCHEMA audit TO rds_superuser;


--
-- Name: SCHEMA billing; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT USAGE ON SCHEMA billing TO shop_app;
GRANT USAGE ON SCHEMA billing TO shop_readonly;


--
-- Name: SCHEMA catalog; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT USAGE ON SCHEMA catalog TO shop_app;
GRANT USAGE ON SCHEMA catalog TO shop_readonly;


--
-- Name: SCHEMA extensions; Type: ACL; Schema: -; Owner: postgres
--

GRANT USAGE ON SCHEMA extensions TO shop_dba;


--
-- Name: SCHEMA reporting; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT USAGE ON SCHEMA reporting TO shop_readonly;


--
-- Name: SCHEMA shop; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT USAGE ON SCHEMA shop TO shop_app;
GRANT USAGE ON SCHEMA shop TO shop_readonly;


--
-- Name: SCHEMA stock; Type: ACL; Schema: -; Owner: shop_owner
--

GRANT USAGE ON SCHEMA stock TO shop_app;
GRANT USAGE ON SCHEMA stock TO shop_readonly;


--
-- Name: TYPE email; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT ALL ON TYPE shop.email TO shop_app;


--
-- Name: FUNCTION to_amount(value billing.money_amount); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.to_amount(value billing.money_amount) FROM PUBLIC;


--
-- Name: PROCEDURE drop_old(INOUT dropped integer); Type: ACL; Schema: audit; Owner: shop_owner
--

REVOKE ALL ON PROCEDURE audit.drop_old(INOUT dropped integer) FROM PUBLIC;


--
-- Name: FUNCTION login(who name, address inet); Type: ACL; Schema: audit; Owner: shop_owner
--

REVOKE ALL ON FUNCTION audit.login(who name, address inet) FROM PUBLIC;
GRANT ALL ON FUNCTION audit.login(who name, address inet) TO rds_superuser;


--
-- Name: FUNCTION note_ddl(); Type: ACL; Schema: audit; Owner: shop_owner
--

REVOKE ALL ON FUNCTION audit.note_ddl() FROM PUBLIC;


--
-- Name: FUNCTION note_drop(); Type: ACL; Schema: audit; Owner: shop_owner
--

REVOKE ALL ON FUNCTION audit.note_drop() FROM PUBLIC;


--
-- Name: FUNCTION record(); Type: ACL; Schema: audit; Owner: shop_owner
--

REVOKE ALL ON FUNCTION audit.record() FROM PUBLIC;


--
-- Name: PROCEDURE close_month(IN month date); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON PROCEDURE billing.close_month(IN month date) FROM PUBLIC;
GRANT ALL ON PROCEDURE billing.close_month(IN month date) TO shop_app;


--
-- Name: FUNCTION encrypt_card(card text, key text); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.encrypt_card(card text, key text) FROM PUBLIC;


--
-- Name: FUNCTION larger(a billing.money_amount, b billing.money_amount); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.larger(a billing.money_amount, b billing.money_amount) FROM PUBLIC;


--
-- Name: FUNCTION plus(a billing.money_amount, b billing.money_amount); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.plus(a billing.money_amount, b billing.money_amount) FROM PUBLIC;


--
-- Name: FUNCTION settle(); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.settle() FROM PUBLIC;


--
-- Name: FUNCTION sign(payload text, key text); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.sign(payload text, key text) FROM PUBLIC;


--
-- Name: FUNCTION descendants(root public.ltree); Type: ACL; Schema: catalog; Owner: shop_owner
--

REVOKE ALL ON FUNCTION catalog.descendants(root public.ltree) FROM PUBLIC;


--
-- Name: FUNCTION price_at(product uuid, at timestamp with time zone); Type: ACL; Schema: catalog; Owner: shop_owner
--

REVOKE ALL ON FUNCTION catalog.price_at(product uuid, at timestamp with time zone) FROM PUBLIC;


--
-- Name: FUNCTION similar_names(wanted text); Type: ACL; Schema: catalog; Owner: shop_owner
--

REVOKE ALL ON FUNCTION catalog.similar_names(wanted text) FROM PUBLIC;


--
-- Name: FUNCTION check_pin(code public.citext, pin text); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.check_pin(code public.citext, pin text) FROM PUBLIC;


--
-- Name: TABLE customers; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.customers TO shop_app;
GRANT SELECT ON TABLE shop.customers TO shop_readonly;


--
-- Name: COLUMN customers.id; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT(id) ON TABLE shop.customers TO shop_support;


--
-- Name: COLUMN customers.phone; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT UPDATE(phone) ON TABLE shop.customers TO shop_support;


--
-- Name: COLUMN customers.full_name; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT(full_name) ON TABLE shop.customers TO shop_support;


--
-- Name: COLUMN customers.country; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT(country) ON TABLE shop.customers TO shop_support;


--
-- Name: FUNCTION customer_by_email(wanted shop.email); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.customer_by_email(wanted shop.email) FROM PUBLIC;


--
-- Name: FUNCTION fold(value text); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.fold(value text) FROM PUBLIC;


--
-- Name: FUNCTION index_review(); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.index_review() FROM PUBLIC;


--
-- Name: FUNCTION near(place public.earth, meters double precision, OUT customer_id bigint, OUT distance double precision); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.near(place public.earth, meters double precision, OUT customer_id bigint, OUT distance double precision) FROM PUBLIC;


--
-- Name: FUNCTION next_order_number(); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.next_order_number() FROM PUBLIC;


--
-- Name: TABLE order_lines; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.order_lines TO shop_app;
GRANT SELECT ON TABLE shop.order_lines TO shop_readonly;


--
-- Name: FUNCTION order_total(id bigint); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.order_total(id bigint) FROM PUBLIC;


--
-- Name: FUNCTION place_order(customer bigint, VARIADIC wanted uuid[]); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.place_order(customer bigint, VARIADIC wanted uuid[]) FROM PUBLIC;
GRANT ALL ON FUNCTION shop.place_order(customer bigint, VARIADIC wanted uuid[]) TO shop_app;


--
-- Name: FUNCTION search_products(words text, most integer); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.search_products(words text, most integer) FROM PUBLIC;


--
-- Name: FUNCTION touch(); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.touch() FROM PUBLIC;


--
-- Name: FUNCTION track_status(); Type: ACL; Schema: shop; Owner: shop_owner
--

REVOKE ALL ON FUNCTION shop.track_status() FROM PUBLIC;


--
-- Name: FUNCTION apply_movement(); Type: ACL; Schema: stock; Owner: shop_owner
--

REVOKE ALL ON FUNCTION stock.apply_movement() FROM PUBLIC;


--
-- Name: FUNCTION nearest(latitude double precision, longitude double precision); Type: ACL; Schema: stock; Owner: shop_owner
--

REVOKE ALL ON FUNCTION stock.nearest(latitude double precision, longitude double precision) FROM PUBLIC;


--
-- Name: FUNCTION reserve(product uuid, warehouse smallint, wanted integer); Type: ACL; Schema: stock; Owner: shop_owner
--

REVOKE ALL ON FUNCTION stock.reserve(product uuid, warehouse smallint, wanted integer) FROM PUBLIC;
GRANT ALL ON FUNCTION stock.reserve(product uuid, warehouse smallint, wanted integer) TO shop_app;


--
-- Name: FUNCTION largest(billing.money_amount); Type: ACL; Schema: billing; Owner: shop_owner
--

REVOKE ALL ON FUNCTION billing.largest(billing.money_amount) FROM PUBLIC;


--
-- Name: FOREIGN SERVER archive; Type: ACL; Schema: -; Owner: postgres
--

GRANT ALL ON FOREIGN SERVER archive TO shop_app;


--
-- Name: TABLE ddl; Type: ACL; Schema: audit; Owner: shop_owner
--

GRANT ALL ON TABLE audit.ddl TO rds_superuser;


--
-- Name: TABLE log; Type: ACL; Schema: audit; Owner: shop_owner
--

GRANT ALL ON TABLE audit.log TO rds_superuser;


--
-- Name: TABLE logins; Type: ACL; Schema: audit; Owner: shop_owner
--

GRANT ALL ON TABLE audit.logins TO rds_superuser;


--
-- Name: SEQUENCE invoice_number_seq; Type: ACL; Schema: billing; Owner: shop_owner
--

GRANT SELECT,USAGE ON SEQUENCE billing.invoice_number_seq TO shop_app;


--
-- Name: TABLE payments; Type: ACL; Schema: billing; Owner: shop_owner
--

GRANT SELECT,INSERT ON TABLE billing.payments TO shop_app;


--
-- Name: TABLE refunds; Type: ACL; Schema: billing; Owner: shop_owner
--

GRANT SELECT,INSERT ON TABLE billing.refunds TO shop_app;


--
-- Name: TABLE attributes; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.attributes TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.attributes TO shop_app;


--
-- Name: TABLE brands; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.brands TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.brands TO shop_app;


--
-- Name: TABLE bundle_items; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.bundle_items TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.bundle_items TO shop_app;


--
-- Name: TABLE bundles; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.bundles TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.bundles TO shop_app;


--
-- Name: TABLE categories; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.categories TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.categories TO shop_app;


--
-- Name: TABLE images; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.images TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.images TO shop_app;


--
-- Name: TABLE products; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.products TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.products TO shop_app;


--
-- Name: TABLE in_dictionary_order; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.in_dictionary_order TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.in_dictionary_order TO shop_app;


--
-- Name: TABLE names; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.names TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.names TO shop_app;


--
-- Name: TABLE prices; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.prices TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.prices TO shop_app;


--
-- Name: TABLE product_attributes; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.product_attributes TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.product_attributes TO shop_app;


--
-- Name: TABLE suppliers; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.suppliers TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.suppliers TO shop_app;


--
-- Name: TABLE translations; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.translations TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.translations TO shop_app;


--
-- Name: TABLE tree; Type: ACL; Schema: catalog; Owner: shop_owner
--

GRANT SELECT ON TABLE catalog.tree TO shop_readonly;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE catalog.tree TO shop_app;


--
-- Name: TABLE old_orders; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.old_orders TO shop_app;


--
-- Name: TABLE schema_version; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.schema_version TO shop_readonly;
GRANT SELECT ON TABLE public.schema_version TO shop_app;


--
-- Name: TABLE slow_statements; Type: ACL; Schema: public; Owner: postgres
--

GRANT SELECT ON TABLE public.slow_statements TO rds_superuser;
GRANT SELECT ON TABLE public.slow_statements TO shop_support;


--
-- Name: TABLE orders; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders TO shop_app;
GRANT SELECT ON TABLE shop.orders TO shop_readonly;


--
-- Name: TABLE best_customers; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.best_customers TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE daily_sales; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT MAINTAIN ON TABLE reporting.daily_sales TO shop_reporting;
GRANT SELECT ON TABLE reporting.daily_sales TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE order_documents; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.order_documents TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE product_rank; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.product_rank TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE revenue; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.revenue TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE revenue_by_channel; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.revenue_by_channel TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE sales_with_rank; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.sales_with_rank TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE segments; Type: ACL; Schema: reporting; Owner: shop_owner
--

GRANT SELECT ON TABLE reporting.segments TO shop_reporting WITH GRANT OPTION;


--
-- Name: TABLE active_customers; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.active_customers TO shop_app;


--
-- Name: TABLE carts; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.carts TO shop_app;


--
-- Name: TABLE countries; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.countries TO shop_app;
GRANT SELECT ON TABLE shop.countries TO shop_readonly;


--
-- Name: TABLE customer_addresses; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.customer_addresses TO shop_app;


--
-- Name: SEQUENCE customer_addresses_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.customer_addresses_id_seq TO shop_app;


--
-- Name: SEQUENCE customers_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.customers_id_seq TO shop_app;


--
-- Name: TABLE main_customers; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.main_customers TO shop_app;


--
-- Name: TABLE notes; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.notes TO shop_app;


--
-- Name: SEQUENCE notes_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.notes_id_seq TO shop_app;


--
-- Name: TABLE open_orders; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.open_orders TO shop_app;


--
-- Name: TABLE order_events; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.order_events TO shop_app;


--
-- Name: SEQUENCE order_events_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.order_events_id_seq TO shop_app;


--
-- Name: SEQUENCE order_number_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.order_number_seq TO shop_app;


--
-- Name: TABLE orders_2026_01; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_01 TO shop_app;


--
-- Name: TABLE orders_2026_02; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_02 TO shop_app;


--
-- Name: TABLE orders_2026_03; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_03 TO shop_app;


--
-- Name: TABLE orders_2026_04; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_04 TO shop_app;


--
-- Name: TABLE orders_2026_05; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_05 TO shop_app;


--
-- Name: TABLE orders_2026_06; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_2026_06 TO shop_app;


--
-- Name: SEQUENCE orders_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.orders_id_seq TO shop_app;


--
-- Name: TABLE orders_later; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.orders_later TO shop_app;


--
-- Name: TABLE outbox; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.outbox TO shop_app;
GRANT SELECT ON TABLE shop.outbox TO rds_replication;


--
-- Name: SEQUENCE outbox_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.outbox_id_seq TO shop_app;


--
-- Name: TABLE reviews; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.reviews TO shop_app;


--
-- Name: SEQUENCE reviews_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.reviews_id_seq TO shop_app;


--
-- Name: TABLE sessions; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.sessions TO shop_app;


--
-- Name: TABLE settings; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.settings TO shop_app;


--
-- Name: TABLE vouchers; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.vouchers TO shop_app;


--
-- Name: TABLE wishlists; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE shop.wishlists TO shop_app;


--
-- Name: SEQUENCE wishlists_id_seq; Type: ACL; Schema: shop; Owner: shop_owner
--

GRANT USAGE ON SEQUENCE shop.wishlists_id_seq TO shop_app;


--
-- Name: TABLE counts; Type: ACL; Schema: stock; Owner: shop_owner
--

GRANT REFERENCES,TRIGGER,TRUNCATE ON TABLE stock.counts TO shop_app;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: catalog; Owner: shop_owner
--

ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA catalog GRANT SELECT ON TABLES TO shop_readonly;


--
-- Name: DEFAULT PRIVILEGES FOR SEQUENCES; Type: DEFAULT ACL; Schema: shop; Owner: shop_owner
--

ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT USAGE ON SEQUENCES TO shop_app;


--
-- Name: DEFAULT PRIVILEGES FOR TABLES; Type: DEFAULT ACL; Schema: shop; Owner: shop_owner
--

ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA shop GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES TO shop_app;


--
-- Name: DEFAULT PRIVILEGES FOR FUNCTIONS; Type: DEFAULT ACL; Schema: -; Owner: shop_owner
--

ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;


--
-- Name: note_ddl; Type: EVENT TRIGGER; Schema: -; Owner: postgres
--

CREATE EVENT TRIGGER note_ddl ON ddl_command_end
         WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX')
   EXECUTE FUNCTION audit.note_ddl();


ALTER EVENT TRIGGER note_ddl OWNER TO postgres;

--
-- Name: EVENT TRIGGER note_ddl; Type: COMMENT; Schema: -; Owner: postgres
--

COMMENT ON EVENT TRIGGER note_ddl IS 'who changes the schema';


--
-- Name: note_drop; Type: EVENT TRIGGER; Schema: -; Owner: postgres
--

CREATE EVENT TRIGGER note_drop ON sql_drop
   EXECUTE FUNCTION audit.note_drop();

ALTER EVENT TRIGGER note_drop ENABLE ALWAYS;


ALTER EVENT TRIGGER note_drop OWNER TO postgres;

--
-- PostgreSQL database dump complete
--

\unrestrict K2vQeWm8Zr1TnXoB5cYpLd7HsAf4GjUi0RxEqVt9kMyNwCa3JbSgPzD6hFuOlI

