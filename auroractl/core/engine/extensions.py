"""The extensions that rds_superuser may create on Aurora PostgreSQL.

Source: "Extension versions for Amazon Aurora PostgreSQL", the table of Aurora PostgreSQL 18
(https://docs.aws.amazon.com/AmazonRDS/latest/AuroraPostgreSQLReleaseNotes/AuroraPostgreSQL.Extensions.html). Of the table of
17 an excerpt was seen, up to cube and not legible everywhere, which has no other names. Those of 15 and 16 were not
seen. The list of 18 stands for all: an extension that AWS added in a later version may be created here, if the build has
it, and not there.

Left out are extensions that exist only on AWS (aws_s3, apg_plan_mgmt, ...). AWS does not list, and so no client may
create: adminpack, file_fdw, old_snapshot, pageinspect, pg_logicalinspect, pg_surgery, pg_walinspect, xml2, and the
untrusted languages plperlu, plpython3u and pltclu.
"""

from __future__ import annotations

from auroractl.core.engine.versions import MAJORS

_OF_POSTGRESQL = frozenset(
    """amcheck autoinc bloom bool_plperl btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance
    fuzzystrmatch hstore hstore_plperl insert_username intagg intarray isn jsonb_plperl lo ltree moddatetime
    pg_buffercache pg_freespacemap pg_prewarm pg_stat_statements pg_trgm pg_visibility pgcrypto pgrowlocks pgstattuple
    plperl plpgsql pltcl postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time unaccent
    uuid-ossp""".split()
)
_OF_OTHERS = frozenset(
    """address_standardizer address_standardizer_data_us h3 h3_postgis hll hypopg ip4r mysql_fdw oracle_fdw orafce
    pg_bigm pg_cron pg_hint_plan pg_partman pg_proctab pg_repack pg_similarity pg_tle pgaudit pglogical pgrouting pgtap
    plprofiler plv8 postgis postgis_raster postgis_tiger_geocoder postgis_topology prefix rdkit roaringbitmap tds_fdw
    vector""".split()
)
ALLOWED = _OF_POSTGRESQL | _OF_OTHERS
"""All of them."""
NEVER_TRUSTED = {
    "orafce": "its table utl_file_dir opens folders of the server, and a member of pg_write_all_data can write to it",
    "mysql_fdw": "it loads a library of the machine by a path that a client can give",
    "oracle_fdw": "it reads configuration files of the server's account",
    "tds_fdw": "it reads configuration files of the server's account",
    "pg_tle": "it runs code of clients inside the server's hooks",
    "pglogical": "its workers run as a superuser",
    "plprofiler": "it needs a superuser for its own functions",
    "pg_repack": "its functions refuse everyone but superusers; AWS has changed them",
}
"""Extensions on AWS's list that are not made trusted in a build, and why: AWS ships them with changes of its own."""


def may_create(name: str, major: int) -> bool:
    """Return whether rds_superuser may create an extension on Aurora PostgreSQL of a major version.

    >>> may_create("dblink", 17), may_create("file_fdw", 17), may_create("dblink", 14)
    (True, False, False)
    """
    return major in MAJORS and name in ALLOWED


def is_of_postgresql(name: str) -> bool:
    """Return whether an extension is in the source of PostgreSQL, and so in every full build."""
    return name in _OF_POSTGRESQL
