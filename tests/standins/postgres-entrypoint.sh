# Plays the official image's entrypoint, as far as docker-compose.yml depends on it: an empty PGDATA becomes
# a cluster with POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, initialized by /docker-entrypoint-initdb.d
# under a server that listens on its socket only; then the arguments are run.
set -eu

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?the superuser needs a password}"
    chmod 700 "$PGDATA"
    printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
    eval "initdb --username=$POSTGRES_USER --pwfile=/tmp/password $POSTGRES_INITDB_ARGS"
    rm /tmp/password
    export PGPASSWORD="$POSTGRES_PASSWORD"
    shift
    pg_ctl -w start -o "$(printf "'%s' " "$@") -c listen_addresses='' -p 5432"
    psql="psql -v ON_ERROR_STOP=1 --no-password --username $POSTGRES_USER"
    $psql --dbname postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    for file in /docker-entrypoint-initdb.d/*.sql; do
        echo "$0: running $file"
        $psql --dbname "$POSTGRES_DB" -f "$file"
    done
    pg_ctl -w -m fast stop
    unset PGPASSWORD
    set -- postgres "$@"
    echo "PostgreSQL init process complete; ready for start up."
fi
exec "$@"
