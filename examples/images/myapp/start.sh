#!/bin/sh
# Serves one page on port 8080: the host's name, which inside a pod is the pod's.
mkdir -p /tmp/www
hostname > /tmp/www/index.html
httpd -f -v -p 8080 -h /tmp/www &
# The first process of a container gets no signal it does not ask for.
trap 'kill $!; exit 0' TERM
wait
