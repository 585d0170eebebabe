import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0004_appointments'),
        ('scheduler_api', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='appointment',
            name='attempts',
            field=models.PositiveIntegerField(default=0, help_text='Failed tries since the last success.'),
        ),
        migrations.AddField(
            model_name='appointment',
            name='differing',
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name='appointment',
            name='doubtful_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='appointment',
            name='due_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='appointment',
            name='lease',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='appointment',
            name='optional',
            field=models.BooleanField(default=False, help_text='This person need not come.'),
        ),
        migrations.AddField(
            model_name='appointment',
            name='version',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='event',
            name='declared',
            field=models.DateTimeField(editable=False, help_text='When Salesforce last spoke of it.', null=True),
        ),
        migrations.AddField(
            model_name='event',
            name='ends',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='event',
            name='sequence',
            field=models.BigIntegerField(editable=False, help_text="The caller's number of the last declaration, if it gave one.", null=True),
        ),
        migrations.AddIndex(
            model_name='appointment',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='appointment_due'),
        ),
        migrations.AddIndex(
            model_name='appointment',
            index=models.Index(condition=models.Q(('attempts__gt', 0), ('due_at__isnull', True)), fields=['event'], name='appointment_parked'),
        ),
        migrations.AddIndex(
            model_name='appointment',
            index=models.Index(django.db.models.functions.text.Lower('mailbox'), name='appointment_mailbox'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('ends__isnull', False)), fields=['ends'], name='event_ends'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('cancelled', True)), fields=['declared'], name='event_tombstones'),
        ),
    ]
