#!/bin/sh
# Entry point of Prometheus in compose: writes the console's token, which Prometheus reads only from a file, into a
# directory in memory, then starts Prometheus with the given arguments.
set -eu
umask 077
printf %s "$CONSOLE_TOKEN" >/etc/prometheus/secrets/console-token
unset CONSOLE_TOKEN
exec /bin/prometheus "$@"
