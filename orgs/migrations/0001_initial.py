import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import oauth2_provider.generators
import oauth2_provider.models
import orgs.fields
import orgs.models
import orgs.validators
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Org',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(help_text="In the org's URLs and in the stamp on its calendar items: it cannot be changed later.", unique=True, validators=[orgs.validators.validate_slug])),
                ('name', models.CharField(max_length=200)),
                ('backend', models.CharField(choices=orgs.models.backend_choices, default='graph', max_length=50, verbose_name='calendar backend')),
                ('options', orgs.fields.EncryptedJSONField(default=dict, editable=False)),
                ('active', models.BooleanField(default=True, help_text='If not, its tokens are refused at once.')),
                ('on_unknown', models.CharField(choices=[('block', 'the whole window is reported unavailable'), ('free', 'no time is reported unavailable')], default='block', max_length=5, verbose_name='if a calendar cannot be read')),
                ('blocking_statuses', models.JSONField(default=orgs.models.default_blocking, help_text='Free/busy statuses that make a person unavailable.', validators=[orgs.validators.validate_statuses])),
                ('repair_json', models.BooleanField(default=True, help_text='Accept the trailing and missing commas of the published samples.', verbose_name='repair JSON')),
                ('read_deadline', models.FloatField(default=8, help_text='Seconds within which Read answers. Salesforce waits for 10.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(9.5)])),
                ('write_deadline', models.FloatField(default=20, help_text='Seconds within which Create, Update and Delete answer. Salesforce waits for 120 at most.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(110)])),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('modified', models.DateTimeField(auto_now=True)),
            ],
            options={
                'verbose_name': 'org',
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Person',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(help_text="The mailbox's primary address, not an alias.", max_length=254, verbose_name='address')),
                ('salesforce_user_id', models.CharField(blank=True, default='', max_length=18, validators=[orgs.validators.validate_salesforce_user_id], verbose_name='Salesforce user id')),
                ('rights', models.JSONField(blank=True, default=list, validators=[orgs.validators.validate_rights])),
                ('active', models.BooleanField(default=True, help_text="If not, this person's tokens are refused at once.")),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('modified', models.DateTimeField(auto_now=True)),
                ('org', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='people', to='orgs.org')),
            ],
            options={
                'verbose_name_plural': 'people',
                'ordering': ['org', 'email'],
            },
        ),
        migrations.CreateModel(
            name='Client',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('client_id', models.CharField(db_index=True, default=oauth2_provider.generators.generate_client_id, max_length=255, unique=True, verbose_name='client ID')),
                ('redirect_uris', models.TextField(blank=True, help_text='Allowed URIs list, space separated', verbose_name='redirect URIs')),
                ('post_logout_redirect_uris', models.TextField(blank=True, default='', help_text='Allowed Post Logout URIs list, space separated', verbose_name='post logout redirect URIs')),
                ('client_secret', oauth2_provider.models.ClientSecretField(blank=True, db_index=True, default=oauth2_provider.generators.generate_client_secret, help_text='Client secret for authentication', max_length=255, verbose_name='client secret')),
                ('hash_client_secret', models.BooleanField(default=True, verbose_name='hash client secret')),
                ('name', models.CharField(blank=True, max_length=255, verbose_name='name')),
                ('skip_authorization', models.BooleanField(default=False, verbose_name='skip authorization')),
                ('created', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('updated', models.DateTimeField(auto_now=True, verbose_name='updated')),
                ('algorithm', models.CharField(blank=True, choices=[('', 'No OIDC support'), ('RS256', 'RSA with SHA-2 256'), ('HS256', 'HMAC with SHA-2 256')], default='', max_length=5, verbose_name='algorithm')),
                ('allowed_origins', models.TextField(blank=True, default='', help_text='Allowed origins list to enable CORS, space separated', verbose_name='allowed origins')),
                ('registration_source', models.CharField(choices=[('manual', 'Manual'), ('dcr', 'Dynamic Client Registration'), ('cimd', 'Client ID Metadata Document')], default='manual', help_text='How this application was registered (manual, DCR per RFC 7591, or CIMD)', max_length=32, verbose_name='registration source')),
                ('cimd_expires_at', models.DateTimeField(blank=True, default=None, help_text='When the cached Client ID Metadata Document should be re-fetched', null=True, verbose_name='CIMD expires at')),
                ('active', models.BooleanField(default=True, help_text='If not, its tokens are refused at once.')),
                ('by_command', models.BooleanField(default=False, editable=False)),
                ('client_type', models.CharField(choices=[('confidential', 'Confidential'), ('public', 'Public')], default='confidential', editable=False, max_length=32)),
                ('authorization_grant_type', models.CharField(choices=[('authorization-code', 'Authorization code'), ('urn:ietf:params:oauth:grant-type:device_code', 'Device Code'), ('implicit', 'Implicit'), ('password', 'Resource owner password-based'), ('client-credentials', 'Client credentials'), ('openid-hybrid', 'OpenID connect hybrid')], default='client-credentials', editable=False, max_length=44)),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='%(app_label)s_%(class)s', to=settings.AUTH_USER_MODEL, verbose_name='user')),
                ('acts_as', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orgs.person')),
            ],
            options={
                'verbose_name': 'OAuth client',
                'ordering': ['client_id'],
            },
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(models.F('org'), django.db.models.functions.text.Lower('email'), name='orgs_person_email', violation_error_message='This org already has a person with this address.'),
        ),
        migrations.AddConstraint(
            model_name='person',
            constraint=models.UniqueConstraint(models.F('org'), django.db.models.functions.text.Left('salesforce_user_id', 15), condition=models.Q(('salesforce_user_id', ''), _negated=True), name='orgs_person_salesforce_user_id', violation_error_message='This org already has a person with this Salesforce user id.'),
        ),
        migrations.AddConstraint(
            model_name='client',
            constraint=models.UniqueConstraint(condition=models.Q(('by_command', True)), fields=('acts_as',), name='orgs_client_by_command'),
        ),
    ]
