import orgs.fields
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0002_cache_table'),
    ]

    operations = [
        migrations.AddField(
            model_name='person',
            name='options',
            field=orgs.fields.EncryptedJSONField(default=dict, editable=False),
        ),
    ]
