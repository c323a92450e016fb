"""gunicorn with threads under WSGI.

With an ASGI server, the same form handled half as many submits per second.
"""

import os
import sys
from pathlib import Path
from runpy import run_path

from mluvii_gdpr.environment import WrongEnvironment

try:
    # Do not import the settings as a module: workers that start after a reload (SIGHUP) would
    # inherit the module instead of reading the settings again.
    our = run_path(str(Path(__file__).with_name("mluvii_gdpr") / "settings.py"))
except WrongEnvironment as wrong:
    sys.exit(f"gunicorn does not start: {wrong}")

wsgi_app = "mluvii_gdpr.wsgi"
bind = f"{our['HOST']}:{our['PORT']}"
worker_class = "gthread"
workers = our["WEB_WORKERS"]
threads = our["WEB_THREADS"]
timeout = 60
# When the server stops, running requests, for example an upload, may finish.
graceful_timeout = 20
# While the database is unavailable, a waiting request occupies a thread. The servers therefore wait
# only one second for a connection, and for a statement not much longer than the slowest one takes.
# Commands wait longer.
os.environ.setdefault("DATABASE_TIMEOUT", "1")
os.environ.setdefault("DATABASE_ANSWER_WITHIN", "15")
# There is no access log, because it would contain IP addresses of visitors and the secret URLs of
# their rooms.
accesslog = None
loglevel = our["WEB_LOG_LEVEL"]
# A message about an unreadable request does not contain any part of it. An exception is logged as
# its type and its frames.
logconfig_dict = {
    # These handlers replace those of gunicorn, so the root logger must use one of them.
    "root": {"level": loglevel.upper(), "handlers": ["impersonal"]},
    "filters": {
        "impersonal": {"()": "mluvii_gdpr.logs.WithoutRequest"},
        "few": {"()": "mluvii_gdpr.logs.FewOfAnOutage"},
    },
    "formatters": {
        "impersonal": {
            "()": "mluvii_gdpr.logs.ImpersonalFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {
        "impersonal": {
            "class": "logging.StreamHandler",
            "formatter": "impersonal",
            "filters": ["impersonal", "few"],
        }
    },
    "loggers": {
        "gunicorn.error": {
            "level": loglevel.upper(),
            "handlers": ["impersonal"],
            "propagate": False,
        }
    },
}
# There is no control socket in the home folder: the server is stopped with a signal.
control_socket_disable = True
# Workers update a heartbeat file. In a memory file system they never wait for a disk.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108
