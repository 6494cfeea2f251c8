"""Tables, indexes and constraints that use the extensions."""

import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.fields.hstore
import django.contrib.postgres.search
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, GistIndex, OpClass
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_extensions"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())),
                ("name", models.CharField(max_length=200)),
                ("attributes", django.contrib.postgres.fields.hstore.HStoreField(default=dict)),
                ("tags", django.contrib.postgres.fields.ArrayField(models.CharField(max_length=20), default=list)),
                ("document", django.contrib.postgres.search.SearchVectorField(null=True)),
                ("owner", models.ForeignKey(to=settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)),
            ],
        ),
        migrations.AddIndex("product", GinIndex(fields=["name"], opclasses=["gin_trgm_ops"], name="product_trigrams")),
        migrations.AddIndex("product", GinIndex(fields=["attributes"], name="product_attributes")),
        migrations.AddIndex("product", GinIndex(fields=["tags", "name"], name="product_tags")),
        migrations.AddIndex("product", GistIndex(OpClass(Upper("name"), name="gist_trgm_ops"), name="product_upper")),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("product", models.ForeignKey("shop.product", on_delete=models.CASCADE)),
                ("during", DateTimeRangeField()),
            ],
        ),
        migrations.AddConstraint(
            "reservation",
            ExclusionConstraint(
                name="one_reservation_at_a_time",
                expressions=[("product", RangeOperators.EQUAL), ("during", RangeOperators.OVERLAPS)],
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE shop_product ADD COLUMN sku citext UNIQUE, ADD COLUMN batch uuid DEFAULT uuid_generate_v4()",
            reverse_sql="ALTER TABLE shop_product DROP COLUMN sku, DROP COLUMN batch",
        ),
    ]
