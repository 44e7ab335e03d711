"""The WSGI application that `manage.py serve` and any other server runs."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")
application = get_wsgi_application()
