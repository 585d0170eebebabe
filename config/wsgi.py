import os

from django.core.wsgi import get_wsgi_application

from config.body import BoundedBody

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

application = BoundedBody(get_wsgi_application())
