#!/bin/sh
# Entry point of Prometheus and Alertmanager in compose: writes the console's token, which both read only from a file,
# into a directory in memory ($1), then starts the program ($2) with the other arguments.
set -eu
umask 077
printf %s "$CONSOLE_TOKEN" >"$1/console-token"
unset CONSOLE_TOKEN
shift
exec "$@"
