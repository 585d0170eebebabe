import django.core.validators
import orgs.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orgs', '0003_person_options'),
    ]

    operations = [
        migrations.AddField(
            model_name='org',
            name='html_body',
            field=models.BooleanField(default=False, help_text='The body of an Event is HTML. If not, it is plain text, and shown as it is.', verbose_name='HTML body'),
        ),
        migrations.AddField(
            model_name='org',
            name='optional_show_as',
            field=models.CharField(choices=[('busy', 'Busy'), ('tentative', 'Tentative'), ('free', 'Free')], default='busy', help_text='Salesforce may book them again at that time, but Read reports it unavailable unless it is shown as Free, or as Tentative where that status does not block.', max_length=9, verbose_name='optional attendees are shown as'),
        ),
        migrations.AddField(
            model_name='org',
            name='previous',
            field=orgs.fields.EncryptedJSONField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='org',
            name='reminder_minutes',
            field=models.PositiveIntegerField(blank=True, default=15, help_text="Minutes before the start; empty: no reminder. It is set when an Appointment is made, and belongs to the person from then on.", null=True, validators=[django.core.validators.MaxValueValidator(20160)], verbose_name='reminder'),
        ),
    ]
