#!/bin/sh
# GET_HOSTS_FROM=env: the master is the Service redis-master as its environment variables name it; without one
# this server stands alone. Any other value: the master is found by the name redis-master in DNS.
set -- redis-server --bind 0.0.0.0 --protected-mode no --dir /data
if [ "$GET_HOSTS_FROM" = env ]; then
  [ -z "$REDIS_MASTER_SERVICE_HOST" ] || set -- "$@" --replicaof "$REDIS_MASTER_SERVICE_HOST" "${REDIS_MASTER_SERVICE_PORT:-6379}"
else
  set -- "$@" --replicaof redis-master 6379
fi
exec "$@"
