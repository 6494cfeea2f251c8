"""The SQL versions of pgcrypto and uuid-ossp give the answers of the standards, to any user with any search path."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import random
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from auroractl.engine.extension_substitutes import add_substitutes
from tests.functional.known_answers import CIPHERS, LONG, PASSWORDS
from tests.functional.plain_servers import plain_server, wheel_installation

HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
TEXTS = ("", "abc", "\\", "\\x41\\\\", "ä€😀", "a" * 55, "a" * 56, "a" * 63, "a" * 64, "a" * 119, "a" * 120, "x" * 5000)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server of the wheel that can create the SQL versions."""
    share = Path(tempfile.mkdtemp(prefix="auroractl-test-share-"))
    try:
        share.chmod(0o755)
        (share / "extension").mkdir()
        (share / "extension").chmod(0o755)
        assert add_substitutes(share / "extension") == ["pgcrypto", "uuid-ossp"]
        with plain_server(wheel_installation(), extension_control_path=f"$system:{share}") as conninfo:
            yield conninfo
    finally:
        shutil.rmtree(share)


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[psycopg.Connection]:
    """A session in which both extensions are there, in the schema public."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute('CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        yield connection


def value(database: psycopg.Connection, expression: str, *parameters: object) -> Any:
    """The value of an expression."""
    row = database.execute(f"SELECT {expression}", parameters).fetchone()
    assert row is not None
    return row[0]


def refused(database: psycopg.Connection, expression: str, *parameters: object) -> psycopg.Error:
    """The error of an expression."""
    with pytest.raises(psycopg.Error) as raised:
        value(database, expression, *parameters)
    return raised.value


def test_they_are_shown_as_what_they_are(database: psycopg.Connection) -> None:
    shown = database.execute(
        "SELECT name, installed_version, comment FROM pg_available_extensions WHERE name IN ('pgcrypto', 'uuid-ossp')"
        " ORDER BY 1"
    ).fetchall()
    assert [(name, version) for name, version, _ in shown] == [("pgcrypto", "1.4-sql"), ("uuid-ossp", "1.1-sql")]
    assert all("auroractl's SQL version" in comment for *_, comment in shown)


def test_hashes_are_those_of_the_standards(database: psycopg.Connection) -> None:
    # RFC 1321, RFC 3174.
    assert value(database, "encode(digest('abc', 'md5'), 'hex')") == "900150983cd24fb0d6963f7d28e17f72"
    assert value(database, "encode(digest('abc', 'sha1'), 'hex')") == "a9993e364706816aba3e25717850c26c9cd0d89d"
    for name in HASHES:
        for text in TEXTS:
            assert value(database, "digest(%s::text, %s)", text, name) == hashlib.new(name, text.encode()).digest()
        data = os.urandom(300)
        assert value(database, "digest(%s::bytea, %s)", data, name.upper()) == hashlib.new(name, data).digest()


def test_hmacs_are_those_of_the_standards(database: psycopg.Connection) -> None:
    # RFC 2104, RFC 4231.
    assert value(database, "encode(hmac('what do ya want for nothing?', 'Jefe', 'md5'), 'hex')") == (
        "750c783e6ab0b503eaa86e310a5db738"
    )
    assert value(database, "encode(hmac('what do ya want for nothing?', 'Jefe', 'sha256'), 'hex')") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    for name in HASHES:
        for key_bytes in (0, 1, 63, 64, 65, 127, 128, 129, 200):
            data, key = os.urandom(100), os.urandom(key_bytes)
            expected = hmac.digest(key, data, name)
            assert value(database, "hmac(%s::bytea, %s::bytea, %s)", data, key, name) == expected
        expected = hmac.digest("ä\\".encode(), "€\\x41".encode(), name)
        assert value(database, "hmac(%s::text, %s::text, %s)", "€\\x41", "ä\\", name) == expected


def test_texts_are_hashed_in_the_encoding_of_the_database(server: str, database: psycopg.Connection) -> None:
    database.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with psycopg.connect(server.replace("dbname=postgres", "dbname=latin"), autocommit=True) as latin:
        latin.execute('CREATE EXTENSION pgcrypto; CREATE EXTENSION "uuid-ossp"')
        assert value(latin, "digest('é', 'sha1')") == hashlib.sha1(b"\xe9").digest()
        hashed = uuid.UUID(bytes=hashlib.md5(uuid.NAMESPACE_DNS.bytes + b"\xe9").digest(), version=3)
        assert value(latin, "uuid_generate_v3(uuid_ns_dns(), 'é')") == hashed


def test_uuids_of_names(database: psycopg.Connection) -> None:
    for namespace, function in (
        (uuid.NAMESPACE_DNS, "uuid_ns_dns()"),
        (uuid.NAMESPACE_URL, "uuid_ns_url()"),
        (uuid.NAMESPACE_OID, "uuid_ns_oid()"),
        (uuid.NAMESPACE_X500, "uuid_ns_x500()"),
        (uuid.UUID(int=0), "uuid_nil()"),
    ):
        for text in TEXTS:
            assert value(database, f"uuid_generate_v3({function}, %s)", text) == uuid.uuid3(namespace, text)
            assert value(database, f"uuid_generate_v5({function}, %s)", text) == uuid.uuid5(namespace, text)


@pytest.mark.parametrize("function", ["uuid_generate_v1", "uuid_generate_v1mc"])
def test_uuids_of_times(server: str, database: psycopg.Connection, function: str) -> None:
    rows = database.execute(f"SELECT {function}() FROM generate_series(1, 5000)").fetchall()
    found: list[uuid.UUID] = [row[0] for row in rows]
    assert {each.version for each in found} == {1}
    assert {each.variant for each in found} == {uuid.RFC_4122}
    assert len({each.time for each in found}) == 5000
    assert sorted(found, key=lambda each: each.time) == found
    assert abs(found[-1].time / 10_000_000 - 12_219_292_800 - time.time()) < 60
    assert all((each.node >> 40) & 1 for each in found), "no MAC address: the multicast bit is set"
    nodes = {each.node for each in found}
    if function == "uuid_generate_v1":
        with psycopg.connect(server) as other:
            assert value(other, f"{function}()").node not in nodes
        assert len(nodes) == 1
    else:
        assert len(nodes) == 5000
        assert all((each.node >> 41) & 1 for each in found), "a locally administered address"
    assert len({each.clock_seq for each in found}) > 4000


def test_random_data_is_random_in_every_bit(database: psycopg.Connection) -> None:
    assert {value(database, f"{name}()").version for name in ("uuid_generate_v4", "public.gen_random_uuid")} == {4}
    for wanted in (1, 13, 14, 15, 28, 1023, 1024):
        assert len(value(database, "gen_random_bytes(%s)", wanted)) == wanted
    samples = [row[0] for row in database.execute("SELECT gen_random_bytes(1024) FROM generate_series(1, 64)")]
    ones, zeros = bytes(1024), b"\xff" * 1024
    for sample in samples:
        ones = bytes(a | b for a, b in zip(ones, sample, strict=True))
        zeros = bytes(a & b for a, b in zip(zeros, sample, strict=True))
    assert ones == b"\xff" * 1024
    assert zeros == bytes(1024)
    for wanted in (0, -1, 1025):
        error = refused(database, "gen_random_bytes(%s)", wanted)
        assert (error.sqlstate, error.diag.message_primary) == ("39000", "Length not in range")


def test_passwords(database: psycopg.Connection) -> None:
    for password, setting, result in PASSWORDS:
        assert value(database, "crypt(%s, %s)", password, setting) == result
        assert value(database, "crypt(%s, %s)", password, result) == result
    assert refused(database, "crypt('secret', '$2a$04$short')").sqlstate == "22023"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("'des'", "[./0-9A-Za-z]{2}"),
        ("'xdes'", "_J9..[./0-9A-Za-z]{4}"),
        ("'xdes', 16777215", "_zzzz[./0-9A-Za-z]{4}"),
        ("'md5'", r"\$1\$[./0-9A-Za-z]{8}"),
        ("'bf'", r"\$2a\$06\$[./0-9A-Za-z]{22}"),
        ("'bf', 4", r"\$2a\$04\$[./0-9A-Za-z]{22}"),
        ("'sha256crypt'", r"\$5\$rounds=5000\$[./0-9A-Za-z]{16}"),
        ("'sha512crypt', 1000", r"\$6\$rounds=1000\$[./0-9A-Za-z]{16}"),
    ],
)
def test_salts(database: psycopg.Connection, kind: str, pattern: str) -> None:
    salts = [value(database, f"gen_salt({kind})") for _ in range(8)]
    assert len(set(salts)) > 6
    assert value(database, "bool_and(salt ~ %s) FROM unnest(%s::text[]) AS salt", f"^{pattern}$", salts)
    if kind not in ("'xdes', 16777215", "'bf'"):  # these two are slow by design
        hashed = value(database, "crypt('secret', %s)", salts[0])
        assert value(database, "crypt('secret', %s)", hashed) == hashed
        assert value(database, "crypt('Secret', %s)", hashed) != hashed


def test_ciphers(database: psycopg.Connection) -> None:
    for cipher, *texts in CIPHERS:
        key, iv, data, encrypted = map(bytes.fromhex, texts)
        parameters = (key, iv, cipher)
        assert value(database, "encrypt_iv(%s::bytea, %s::bytea, %s::bytea, %s)", data, *parameters) == encrypted
        assert value(database, "decrypt_iv(%s::bytea, %s::bytea, %s::bytea, %s)", encrypted, *parameters) == data
    long = "".join(hashlib.md5(str(i).encode()).hexdigest() for i in range(1, 129)).encode()
    for cipher, expected in LONG.items():
        encrypted = value(database, "encrypt(%s::bytea, '0123456789abcdef', %s)", long, cipher)
        assert hashlib.sha256(encrypted).hexdigest() == expected
        assert value(database, "decrypt(%s::bytea, '0123456789abcdef', %s)", encrypted, cipher) == long
    for cipher in ("aes", "bf"):
        for _ in range(10):
            data, key = random.randbytes(random.randrange(40)), random.randbytes(random.randrange(1, 33))
            assert (
                value(
                    database,
                    "decrypt(encrypt(%s::bytea, %s::bytea, %s), %s::bytea, %s)",
                    data,
                    key,
                    cipher,
                    key,
                    cipher,
                )
                == data
            )
        wrong = refused(database, "decrypt('0123456789abcde', 'key', %s)", cipher)
        assert (wrong.sqlstate, wrong.diag.message_primary) == ("39000", "decrypt error: Decryption failed")


def test_armor(database: psycopg.Connection) -> None:
    armored = "-----BEGIN PGP MESSAGE-----\nVersion: 1\n\nYWJj\n=uhx7\n-----END PGP MESSAGE-----\n"
    assert value(database, "armor('abc', ARRAY['Version'], ARRAY['1'])") == armored
    assert value(database, "dearmor(%s)", f"before\n{armored}after") == b"abc"
    assert value(database, "ARRAY[key, value] FROM pgp_armor_headers(%s)", armored) == ["Version", "1"]
    data = os.urandom(4000)
    armored_data = value(database, "armor(%s::bytea)", data)
    assert value(database, "dearmor(%s)", armored_data) == data
    assert f"\n={base64.b64encode(crc24(data)).decode()}\n-----END" in armored_data
    assert refused(database, "dearmor(%s)", armored.replace("=u", "=v")).sqlstate == "39000"


def crc24(data: bytes) -> bytes:
    """The checksum of RFC 4880, section 6.1, bit by bit."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc.to_bytes(3)


def test_what_it_lacks_is_refused_with_the_way_out(database: psycopg.Connection) -> None:
    functions = database.execute(
        "SELECT proname, pg_get_function_identity_arguments(oid) FROM pg_proc WHERE proname ~ '^pgp_(sym|pub|key)'"
    ).fetchall()
    assert len(functions) == 19
    for name, types in functions:
        arguments = ", ".join(f"'x'::{each}" for each in types.split(", "))
        error = refused(database, f"{name}({arguments})")
        assert isinstance(error, psycopg.errors.FeatureNotSupported)
        assert error.diag.message_primary == f"{name} needs a PostgreSQL build with OpenSSL"
        assert "auroractl describe-db-engine-versions" in (error.diag.message_hint or "")
    for expression, problem in (
        ("digest('x', 'RIPEMD160')", 'Cannot use "ripemd160": No such hash algorithm'),
        ("hmac('x', 'y', 'blake2b512')", 'Cannot use "blake2b512": No such hash algorithm'),
        ("encrypt('x', 'y', '3DES')", 'Cannot use "3des": No such cipher algorithm'),
    ):
        error = refused(database, expression)
        assert (error.sqlstate, error.diag.message_primary) == ("22023", problem)
        assert "auroractl describe-db-engine-versions" in (error.diag.message_hint or "")
    # Refused when it is called, not when it is only mentioned.
    assert value(database, "CASE WHEN now() > '2000-01-01' THEN 1 ELSE length(pgp_sym_encrypt('x', 'y')) END") == 1


def test_the_owner_of_a_database_creates_them_and_they_can_be_moved(server: str, database: psycopg.Connection) -> None:
    database.execute("CREATE ROLE owner")
    database.execute("CREATE DATABASE owned OWNER owner")
    with psycopg.connect(server.replace("dbname=postgres", "dbname=owned"), autocommit=True) as owned:
        owned.execute("SET ROLE owner; CREATE SCHEMA extensions")
        owned.execute('CREATE EXTENSION pgcrypto SCHEMA extensions; CREATE EXTENSION "uuid-ossp" SCHEMA extensions')
        # As of every trusted extension, the functions belong to the superuser, who alone can move them.
        owned.execute("RESET ROLE")
        owned.execute('ALTER EXTENSION pgcrypto SET SCHEMA public; ALTER EXTENSION "uuid-ossp" SET SCHEMA public')
        owned.execute("SET ROLE owner")
        owned.execute("DROP SCHEMA extensions")
        check_answers(owned)
        owned.execute("SELECT encrypt('x', 'y', 'bf'), crypt('x', gen_salt('md5')), dearmor(armor('x'))")
        owned.execute('DROP EXTENSION pgcrypto, "uuid-ossp"')


SHADOWS = """
CREATE SCHEMA shadows;
CREATE FUNCTION shadows.stolen(anyelement) RETURNS anyelement LANGUAGE plpgsql AS $$BEGIN RAISE 'stolen'; END$$;
CREATE FUNCTION shadows.get_byte(bytea, bigint) RETURNS integer LANGUAGE sql RETURN shadows.stolen(1);
CREATE FUNCTION shadows.get_byte(bytea, integer) RETURNS integer LANGUAGE sql RETURN shadows.stolen(1);
CREATE FUNCTION shadows.sha256(bytea) RETURNS bytea LANGUAGE sql RETURN shadows.stolen($1);
CREATE FUNCTION shadows.lower(text) RETURNS text LANGUAGE sql RETURN shadows.stolen($1);
CREATE FUNCTION shadows.length(bytea) RETURNS integer LANGUAGE sql RETURN shadows.stolen(1);
CREATE FUNCTION shadows.xor(bigint, bigint) RETURNS bigint LANGUAGE sql RETURN shadows.stolen(1::bigint);
CREATE FUNCTION shadows.equal(text, text) RETURNS boolean LANGUAGE sql RETURN shadows.stolen(true);
CREATE FUNCTION shadows.join(bytea, bytea) RETURNS bytea LANGUAGE sql RETURN shadows.stolen($1);
CREATE OPERATOR shadows.# (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = shadows.xor);
CREATE OPERATOR shadows.= (LEFTARG = text, RIGHTARG = text, FUNCTION = shadows.equal);
CREATE OPERATOR shadows.|| (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = shadows.join);
CREATE DOMAIN shadows.bytea AS text CHECK (VALUE = 'never');
"""


def test_objects_of_others_are_never_used(server: str, database: psycopg.Connection) -> None:
    """Neither when the extension is created in their schema, nor when the search path of a call has them first."""
    database.execute("CREATE DATABASE shadowed")
    with psycopg.connect(server.replace("dbname=postgres", "dbname=shadowed"), autocommit=True) as shadowed:
        shadowed.execute(SHADOWS)
        shadowed.execute('CREATE EXTENSION pgcrypto SCHEMA shadows; CREATE EXTENSION "uuid-ossp" SCHEMA shadows')
        shadowed.execute("CREATE DOMAIN pg_temp.text AS pg_catalog.bytea CHECK (pg_catalog.length(VALUE) > 1000)")
        for path in ("shadows", "pg_temp, shadows, pg_catalog"):
            shadowed.execute(f"SET search_path = {path}")
            check_answers(shadowed, "shadows.")
            if path == "shadows":
                continue
            with pytest.raises(psycopg.Error, match="stolen"):
                shadowed.execute("SELECT sha256('abc'::pg_catalog.bytea)")


def check_answers(connection: psycopg.Connection, schema: str = "") -> None:
    """The right answers to a call of each kind."""
    as_bytes = "'abc'::pg_catalog.bytea"
    for name in HASHES:
        expected = hashlib.new(name, b"abc").digest()
        assert value(connection, f"{schema}digest({as_bytes}, '{name}')") == expected
    assert value(connection, f"{schema}hmac({as_bytes}, {as_bytes}, 'sha1')") == hmac.digest(b"abc", b"abc", "sha1")
    assert value(connection, f"{schema}crypt('secret', 'ab')") == "abNANd1rDfiNc"
    assert (
        value(connection, f"{schema}decrypt({schema}encrypt({as_bytes}, {as_bytes}, 'aes'), {as_bytes}, 'aes')")
        == b"abc"
    )
    assert value(connection, f"{schema}uuid_generate_v5({schema}uuid_ns_dns(), 'abc')") == uuid.uuid5(
        uuid.NAMESPACE_DNS, "abc"
    )
    assert value(connection, f"{schema}uuid_generate_v1()").version == 1
    assert len(value(connection, f"{schema}gen_random_bytes(20)")) == 20


def test_they_work_in_parallel_workers_and_in_indexes(database: psycopg.Connection) -> None:
    database.execute(
        "CREATE TABLE words AS SELECT i, i::text AS word FROM generate_series(1, 1000) AS i; ANALYZE words"
    )
    database.execute("CREATE INDEX ON words (digest(word, 'sha1'))")
    with database.transaction():
        database.execute("SET LOCAL debug_parallel_query = on")
        query = "count(DISTINCT (uuid_generate_v1(), gen_random_bytes(8), hmac(word, 'k', 'sha1'), gen_salt('md5'))) FROM words"
        plan = "\n".join(row[0] for row in database.execute(f"EXPLAIN SELECT {query}"))
        assert "Gather" in plan
        assert value(database, query) == 1000
    with database.transaction():
        database.execute("SET LOCAL enable_seqscan = off")
        found = database.execute("SELECT word FROM words WHERE digest(word, 'sha1') = digest('77', 'sha1')").fetchall()
        assert found == [("77",)]
