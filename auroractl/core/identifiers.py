"""Aurora's rules for names, passwords, ports and tags (source: the RDS API reference and moto's messages).

Where the summary and the text for an engine differ, the text for the engine counts: CreateDBCluster speaks of letters and
numbers in MasterUsername and DatabaseName, CreateDBInstance (MasterUsername; DBName, Amazon Aurora PostgreSQL) allows
underscores too (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html).
"""

from __future__ import annotations

import re

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.volume.durability import Durability

MASTER_USERNAME_DEFAULT = "postgres"
DATABASE_NAME_DEFAULT = "postgres"
PORT_DEFAULT = 5432
PORT_MIN, PORT_MAX = 1150, 65535
READERS_MAX = 15
PROMOTION_TIER_DEFAULT, PROMOTION_TIER_MAX = 1, 15
BACKTRACK_WINDOW_MAX_S = 259_200
BACKTRACK_WINDOW_DEFAULT_S = 86_400
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 8, 41
TAGS_MAX = 50
ENGINE = "aurora-postgresql"

_IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}")
_PASSWORD_FORBIDDEN = frozenset('/"@ ')

# Role names that the cluster itself needs, and SQL's reserved key words
# (https://www.postgresql.org/docs/18/sql-keywords-appendix.html), which AWS refuses too.
RESERVED_USERNAMES = frozenset(
    """rdsadmin rdsrepladmin rdssuperuser admin rds_superuser rds_replication rds_iam rds_password rds_ad
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    default deferrable desc distinct do else end except false fetch for foreign from grant group having in
    initially intersect into lateral leading limit localtime localtimestamp not null offset on only or order
    placing primary public references returning select some symmetric table then to trailing true union unique
    user using variadic when where window with none""".split()
)


def identifier(parameter: str, value: str) -> str:
    """Return a cluster or instance identifier in its stored form (lower case).

    >>> identifier("DBClusterIdentifier", "Demo-1")
    'demo-1'

    Raises InvalidParameterValue with moto's sentence for anything that AWS would refuse.
    """
    lowered = value.lower()
    if len(lowered) > 63 or not has_identifier_form(lowered):
        raise InvalidParameterValue(
            f"The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must contain "
            "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive "
            "hyphens.",
            f"{value!r} breaks this rule or is longer than 63 characters; try a name like demo-1",
        )
    return lowered


def has_identifier_form(value: str) -> bool:
    """Return whether a name in lower case has the letters of an identifier, of whatever length."""
    return _IDENTIFIER.fullmatch(value) is not None


def master_username(value: str) -> str:
    """Check a master user name: 1 to 16 letters, digits or underscores, first a letter, not reserved."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,15}", value):
        raise InvalidParameterValue(
            f"MasterUsername {value!r} must be 1 to 16 letters, digits or underscores and begin with a letter.",
            "Leave it out to get the user postgres",
        )
    # PostgreSQL keeps names that begin with pg_ for itself, in lower case only.
    if value.lower() in RESERVED_USERNAMES or value.startswith("pg_"):
        raise InvalidParameterValue(
            f"MasterUsername {value} cannot be used as it is a reserved word used by the engine.",
            "Choose another name, or leave it out to get the user postgres",
        )
    return value


def master_password(value: str) -> str:
    """Check a master password: 8 to 41 printable ASCII characters except slash, double quote, at sign and space."""
    if not PASSWORD_LENGTH_MIN <= len(value) <= PASSWORD_LENGTH_MAX:
        raise InvalidParameterValue(
            f"MasterUserPassword must have {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.",
            "Leave it out to have one generated",
        )
    if any(not "!" <= letter <= "~" or letter in _PASSWORD_FORBIDDEN for letter in value):
        raise InvalidParameterValue(
            'MasterUserPassword must contain only printable ASCII characters besides "/", "@", \'"\' and " ".',
            "Leave it out to have one generated",
        )
    return value


def database_name(value: str) -> str:
    """Check a database name: 1 to 63 letters, digits or underscores, first a letter."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", value):
        raise InvalidParameterValue(
            f"DatabaseName {value!r} must begin with a letter and contain only letters, digits and underscores, at most "
            "63.",
            "Leave it out to use the database postgres",
        )
    if value.lower() in {"template0", "template1", "rdsadmin"}:
        raise InvalidParameterValue(
            f"DatabaseName {value} cannot be used as it is a reserved word used by the engine.", "Choose another name"
        )
    return value


def port(value: int) -> int:
    """Check that a port is within AWS's limits for Aurora."""
    if not PORT_MIN <= value <= PORT_MAX:
        raise InvalidParameterValue(
            f"Port {value} is not allowed; it must be from {PORT_MIN} to {PORT_MAX}.", "Leave it out to have one found"
        )
    return value


def region(value: str) -> str:
    """Check a region name such as us-east-1; its Availability Zones are the name with a, b and c."""
    if not _REGION.fullmatch(value):
        raise InvalidParameterValue(f"{value!r} is not a region name.", "Try one like us-east-1")
    return value


def durability(value: str) -> Durability:
    """Check what a cluster is to flush to disk."""
    try:
        return Durability(value)
    except ValueError:
        raise InvalidParameterValue(
            f"{value!r} is not a durability.", f"It is one of {', '.join(each.value for each in Durability)}"
        ) from None


def promotion_tier(value: int) -> int:
    """Check a promotion tier, 0 (first) to 15 (last)."""
    if not 0 <= value <= PROMOTION_TIER_MAX:
        raise InvalidParameterValue(
            f"PromotionTier {value} is not allowed; it must be from 0 to {PROMOTION_TIER_MAX}.",
            "0 is promoted first, 15 last",
        )
    return value


def readers(value: int) -> int:
    """Check a number of readers."""
    if not 0 <= value <= READERS_MAX:
        raise InvalidParameterValue(
            f"A cluster has 0 to {READERS_MAX} readers, not {value}.", f"Choose a number from 0 to {READERS_MAX}"
        )
    return value


def backtrack_window(value_s: int) -> int:
    """Check a backtrack window in seconds; 0 turns backtrack off."""
    if not 0 <= value_s <= BACKTRACK_WINDOW_MAX_S:
        raise InvalidParameterValue(
            f"The specified value ({value_s}) is not a valid Backtrack Window. Allowed values are within the range of "
            f"0 to {BACKTRACK_WINDOW_MAX_S}",
            "The value is in seconds; 72 hours is the most",
        )
    return value_s


def max_records(value: int) -> int:
    """Check the maximum number of records in a description (AWS: MaxRecords, 20 to 100)."""
    if not 20 <= value <= 100:
        raise InvalidParameterValue(f"MaxRecords must be between 20 and 100, not {value}.", "Write --max-records 100")
    return value


def tags(pairs: dict[str, str]) -> dict[str, str]:
    """Check tags against AWS's limits: at most 50, keys of 1 to 128 characters without `aws:`, values to 256."""
    if len(pairs) > TAGS_MAX:
        raise InvalidParameterValue(f"A cluster has at most {TAGS_MAX} tags, not {len(pairs)}.", "Remove some")
    for key, value in pairs.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise InvalidParameterValue(
                f"{key!r} is not a valid tag.",
                "A key has 1 to 128 characters and does not begin with aws:, a value has at most 256",
            )
    return pairs
