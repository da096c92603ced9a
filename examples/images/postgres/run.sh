#!/bin/sh
# Makes a database cluster in $PGDATA when there is none, and starts the server. It is made beside $PGDATA and renamed
# when it is whole, so that a start that was killed leaves nothing that the next one would use.
# POSTGRES_USER (postgres) is the superuser with POSTGRES_PASSWORD; POSTGRES_HOST_AUTH_METHOD=trust does without one.
set -e
if [ "$1" = postgres ] && [ ! -e "$PGDATA" -o -z "$(ls -A "$PGDATA" 2>/dev/null)" ]; then
  method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
    echo 'Set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust, which lets anyone in.' >&2
    exit 1
  fi
  if [ -d "$PGDATA" ] && ! rmdir "$PGDATA"; then
    echo "$PGDATA is a volume itself: set PGDATA to a directory in it, such as $PGDATA/pgdata." >&2
    exit 1
  fi
  rm -rf "$PGDATA.new"
  (umask 077; printf "%s\n" "$POSTGRES_PASSWORD" > /tmp/password)
  initdb --pgdata "$PGDATA.new" --username "${POSTGRES_USER:-postgres}" --encoding UTF8 --locale C \
    --auth-local trust --auth-host "$method" $([ -z "$POSTGRES_PASSWORD" ] || echo --pwfile /tmp/password)
  rm /tmp/password
  echo "host all all all $method" >> "$PGDATA.new/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA.new/postgresql.conf"
  sync
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$@"
