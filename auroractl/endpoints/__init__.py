"""The endpoint process: accepts client connections at stable addresses and forwards them.

HOME/clusters/NAME/endpoint/
  pid             locked by the process for life, holds its process id
  routes.json     the routing table in force, written by the supervisor before it is applied
  certificate.json  the key and certificate for TLS, written by the supervisor
  endpoint.log
"""
