"""A row, written and found with Django's own functions."""

from django.contrib.postgres.search import TrigramSimilarity
from django.db import migrations


def add_product(apps, schema_editor):
    products = apps.get_model("shop", "Product").objects
    products.create(name="Café table", attributes={"colour": "green"}, tags=["new"])
    found = products.annotate(likeness=TrigramSimilarity("name", "cafe tables")).filter(
        likeness__gt=0.2, name__unaccent__icontains="cafe", attributes__colour="green"
    )
    assert found.count() == 1
    schema_editor.execute("UPDATE shop_product SET sku = encode(digest(name, 'sha256'), 'hex')")


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_products")]
    operations = [migrations.RunPython(add_product, migrations.RunPython.noop)]
