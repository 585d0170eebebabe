from django.core.management import call_command
from django.db import migrations


def create_cache_table(apps, schema_editor):
    """The table of CACHE_URL's default, so that `migrate` alone is enough. Does nothing for other caches."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):

    dependencies = [("orgs", "0001_initial")]

    operations = [migrations.RunPython(create_cache_table, migrations.RunPython.noop, elidable=False)]
