"""The WSGI application, for any server: ``granian --interface wsgi wsgi:app``."""

from connector.log import configure
from connector.settings import Settings
from connector.web import create_app
from connector.wiring import Wiring

settings = Settings.from_env()
configure(settings.log_level)
app = create_app(Wiring.from_settings(settings))
