"""gunicorn for the event streams: one process whose event loop serves thousands of them.

All other settings are those of gunicorn.conf.py.
"""

import os
import resource
from pathlib import Path
from runpy import run_path

globals().update(run_path(str(Path(__file__).with_name("gunicorn.conf.py"))))
our = globals()["our"]

wsgi_app = "mluvii_gdpr.asgi"
bind = f"{our['HOST']}:{our['EVENTS_PORT']}"
worker_class = "asgi"
workers = our["EVENTS_WORKERS"]
asgi_lifespan = "on"
# One thread reads the database for all streams, so that the pool needs fewer connections than that
# of the pages.
threads = 1
os.environ |= {"WEB_THREADS": "1", "DATABASE_POOL": "2"}
# Streams do not end on their own. A browser that loses its stream reconnects to the next process.
graceful_timeout = 1

# Each stream is an open file, and the usual limit is 1,024.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(
    resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 65536)) if _hard > 0 else _soft, _hard)
)
