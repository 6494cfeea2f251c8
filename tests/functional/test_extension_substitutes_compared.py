"""The SQL versions of pgcrypto and uuid-ossp next to the real ones, in one server that ships these."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from auroractl.engine.extension_substitutes import FOLDER
from tests.functional.plain_servers import packaged_installations, plain_server

INSTALL = "no PostgreSQL package of this machine has pgcrypto and uuid-ossp; install one: apt-get install postgresql"
SIGNATURES = """
SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile, p.proisstrict,
    p.proparallel, p.proretset, p.prokind, p.prosecdef, p.proargmodes::text, p.proargnames::text
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = %s AND p.proname NOT LIKE 'auroractl%%'
"""
HASHES = ("md5", "sha1", "SHA224", "sha256", "sha384", "sha512", "none", "")
ROUNDS = (0, 1, 2, 3, 4, 5, 25, 31, 32, 999, 1000, 16777215, 16777216, -1)
SETTINGS = (
    "",
    "a",
    "ab",
    "ab$cdef",
    "!~",
    "é",
    "$",
    "$2",
    "$2$04$abcdefghijklmnopqrstuu",
    "$2a$",
    "$2a$03$abcdefghijklmnopqrstuu",
    "$2a$32$abcdefghijklmnopqrstuu",
    "$2a$04$abcdefghijklmn!pqrstuu",
    "$2a$04$abcdefghijklmnopqrstuvXXXX",
    "$2b$04$abcdefghijklmnopqrstuu",
    "$1$",
    "$1$a$bc",
    "$1$abcdefghijkl",
    "_",
    "_....abcd",
    "_/...abcd",
    "_/...!~cd",
)
PASSWORDS = ("", "a", "secret", "U*U***U*", "longer than eight letters", "x" * 72, "y" * 73, "£ÿ€")
CIPHERS = (
    "aes",
    "AES-ECB",
    "rijndael-cbc",
    "bf",
    "bf-ecb",
    "bf-cfb",
    "aes-cbc/pad:pkcs",
    "aes/pad:none",
    "aes//pad:none/pad:pkcs",
    "aes/pad",
    "aes/x:y",
    "aes/pad:x",
    "x/y",
    "none",
)
HEADERS = (
    ("'{}'", "'{}'"),
    ("'{a,b}'", "'{c,d e}'"),
    ("'{a}'", "'{}'"),
    ("'{a,b}'", "'{a}'"),
    ("'{a: b}'", "'{c}'"),
    (r"E'{a\n}'", "'{c}'"),
    ("'{a}'", r"E'{c\n}'"),
    ("'{ä}'", "'{c}'"),
    ("'{a}'", "'{ä}'"),
    ("'{NULL}'", "'{a}'"),
    ("'{a}'", "'{NULL}'"),
    ("'{{a}}'", "'{{b}}'"),
)
_LINES = "-----BEGIN PGP MESSAGE-----\nVersion: 1\n\nYWJj\n=uhx7\n-----END PGP MESSAGE-----\n"
ARMORED = (
    "",
    _LINES,
    _LINES.replace("\n", "\r\n"),
    f"x{_LINES}",
    f"x\n{_LINES}y",
    _LINES.replace("\n\n", "\n"),
    _LINES.replace("Version: ", "Version"),
    _LINES.replace("=u", "=v"),
    _LINES.replace("YW", "!W"),
    _LINES.replace("=uhx7\n", ""),
    _LINES.replace("YWJj\n=uhx7", "=twTO"),
    _LINES.replace("\n-----END", "-----END"),
)
LEGACY_TOO = """\
openssl_conf = start
[start]
providers = providers
[providers]
default = active
legacy = active
[active]
activate = 1
"""
"""OpenSSL 3 has Blowfish only in its legacy provider."""


@pytest.fixture(scope="module")
def both() -> Iterator[psycopg.Connection]:
    """A session with the real extensions in the schema `real` and the SQL versions in the schema `written`."""
    for installation in packaged_installations():
        with (
            plain_server(installation, LEGACY_TOO) as conninfo,
            psycopg.connect(conninfo, autocommit=True) as connection,
        ):
            query = "SELECT count(*) FROM pg_available_extensions WHERE name IN ('pgcrypto', 'uuid-ossp')"
            if connection.execute(query).fetchone() != (2,):
                continue
            connection.execute("CREATE SCHEMA real; CREATE SCHEMA written")
            connection.execute('CREATE EXTENSION pgcrypto SCHEMA real; CREATE EXTENSION "uuid-ossp" SCHEMA real')
            connection.execute("SET search_path = written")
            for script in FOLDER.glob("*.sql"):
                connection.execute(re.sub(r"^\\echo .*$", "", script.read_text(), flags=re.MULTILINE))
            connection.execute("SET search_path = pg_catalog")
            yield connection
            return
    pytest.skip(INSTALL)


def _result(connection: psycopg.Connection, schema: str, expression: str, parameters: Sequence[object]) -> Any:
    try:
        return connection.execute(f"SELECT {expression.replace('@', f'{schema}.')}", parameters).fetchone()
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary


def compare(connection: psycopg.Connection, expression: str, *parameters: object) -> None:
    """Compare the results or errors of an expression in which @ is the schema."""
    real, written = (_result(connection, schema, expression, parameters) for schema in ("real", "written"))
    assert written == real, (expression, parameters)


def test_the_signatures_are_the_real_ones(both: psycopg.Connection) -> None:
    real, written = (set(both.execute(SIGNATURES, [schema]).fetchall()) for schema in ("real", "written"))
    assert len(real) >= 46
    assert real <= written
    # pgcrypto 1.4, which PostgreSQL 18 brought, added this one.
    assert {row[0] for row in written - real} == (set() if both.info.server_version >= 180000 else {"fips_mode"})


def test_hashes_and_random_data(both: psycopg.Connection) -> None:
    for name in HASHES:
        for _ in range(10):
            data, key = random.randbytes(random.randrange(300)), random.randbytes(random.randrange(200))
            compare(both, "@digest(%s::bytea, %s)", data, name)
            compare(both, "@hmac(%s::bytea, %s::bytea, %s)", data, key, name)
            text = "".join(random.choices("ab\\x4€é", k=random.randrange(100)))
            compare(both, "@digest(%s::text, %s)", text, name)
            compare(both, "@hmac(%s::text, %s::text, %s)", text, key.hex(), name)
            compare(both, "@uuid_generate_v3(@uuid_ns_url(), %s)", text)
            compare(both, "@uuid_generate_v5(@uuid_ns_x500(), %s)", text)
    for wanted in (-1, 0, 1, 1024, 1025, None):
        compare(both, "length(@gen_random_bytes(%s::integer))", wanted)


def test_passwords(both: psycopg.Connection) -> None:
    for kind in ("des", "xdes", "md5", "BF", "none", ""):
        for rounds in ROUNDS:
            compare(both, "length(@gen_salt(%s, %s))", kind, rounds)
            # Before the random letters.
            compare(both, r"substring(@gen_salt(%s, %s) FROM '^(?:_....|\$1\$|\$2a\$..\$|)')", kind, rounds)
    for setting in SETTINGS:
        compare(both, "@crypt('secret', %s)", setting)
    for password in PASSWORDS:
        for kind in ("'des'", "'xdes', 9", "'md5'", "'bf', 4"):
            compare(both, "@crypt(%s, %s)", password, _result(both, "real", f"@gen_salt({kind})", ())[0])
        compare(both, "@crypt(%s, '$2x$04$abcdefghijklmnopqrstuu')", password)


def test_ciphers(both: psycopg.Connection) -> None:
    keys = [b"", *map(random.randbytes, (1, 16, 17, 24, 25, 32, 33, 56, 57))]
    for cipher in CIPHERS:
        for key in keys:
            data, iv = random.randbytes(random.choice((0, 1, 15, 16, 17, 40))), random.randbytes(random.randrange(20))
            compare(both, "@encrypt(%s::bytea, %s::bytea, %s)", data, key, cipher)
            compare(both, "@decrypt(%s::bytea, %s::bytea, %s)", data, key, cipher)
            compare(both, "@encrypt_iv(%s::bytea, %s::bytea, %s::bytea, %s)", data, key, iv, cipher)
            compare(both, "@decrypt_iv(%s::bytea, %s::bytea, %s::bytea, %s)", data, key, iv, cipher)
            encrypted = "@encrypt_iv(%s::bytea, %s::bytea, %s::bytea, %s)"
            compare(both, f"@decrypt({encrypted}, %s::bytea, %s)", data, key, iv, cipher, key, cipher)


def test_armor(both: psycopg.Connection) -> None:
    for size in (0, 1, 2, 3, 56, 57, 58, 114, 500):
        data = random.randbytes(size)
        compare(both, "@armor(%s::bytea)", data)
        compare(both, "@dearmor(@armor(%s::bytea))", data)
    for keys, values in HEADERS:
        compare(both, f"@armor('abc', {keys}::text[], {values}::text[])")
    for message in ARMORED:
        compare(both, "@dearmor(%s)", message)
        compare(both, "(SELECT array_agg(headers) FROM @pgp_armor_headers(%s) AS headers)", message)
