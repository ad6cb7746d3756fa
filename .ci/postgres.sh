#!/usr/bin/env bash
# Start a PostgreSQL server of its own for the tests, on a socket in a new folder, and print the
# URL of its database "postgres". The server runs as an unprivileged user, as PostgreSQL insists.
set -euo pipefail
folder=${1:?usage: postgres.sh FOLDER PORT}
port=${2:?usage: postgres.sh FOLDER PORT}
binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$binaries" ]; then
    binaries=$(dirname "$(command -v initdb)")
fi
mkdir -p "$folder"
as_server=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$folder"
    as_server=(runuser -u postgres --)
fi
"${as_server[@]}" "$binaries/initdb" --pgdata "$folder/data" --username medtl --auth trust \
    --encoding UTF8 --no-sync >"$folder/initdb.log" 2>&1
"${as_server[@]}" "$binaries/pg_ctl" --pgdata "$folder/data" --log "$folder/server.log" --wait \
    --options "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c fsync=off" \
    start >"$folder/start.log" 2>&1
echo "postgresql://medtl@127.0.0.1:$port/postgres"
