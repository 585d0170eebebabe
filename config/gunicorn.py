"""gunicorn config.wsgi -c config/gunicorn.py; everything here can be overridden on the command line."""

import multiprocessing

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = multiprocessing.cpu_count()
# A thread waits for Exchange most of its time.
threads = 32
# Longer than the longest deadline of a write.
timeout = 120
graceful_timeout = 30
keepalive = 75
# The query of a DELETE holds addresses; the service writes a request line of its own.
accesslog = None
errorlog = "-"
# Without it gunicorn makes a socket in the home folder.
control_socket_disable = True
