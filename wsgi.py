"""The WSGI application, for any server: ``granian --interface wsgi wsgi:app``."""

from connector.log import configure
from connector.settings import Settings
from connector.supervisor import follow_parent
from connector.web import create_app
from connector.wiring import Wiring

follow_parent()  # the server's own processes must not outlive it, and keep its port
settings = Settings.from_env()
configure(settings.log_level)
app = create_app(Wiring.from_settings(settings))
