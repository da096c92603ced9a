#!/bin/sh
# Serves one page on port 8080: the host's name, which inside a pod is the pod's.
mkdir -p /tmp/www
hostname > /tmp/www/index.html
exec httpd -f -v -p 8080 -h /tmp/www
