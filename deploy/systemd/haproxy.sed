# Turns the configuration of the Compose stack into one with fixed servers in place of DNS:
#   sed -f deploy/systemd/haproxy.sed haproxy/haproxy.cfg
# Write a line for each instance, on whatever machine, and then `systemctl reload haproxy`.

/^global/a\
    user haproxy\
    group haproxy
/^resolvers docker/,/^$/d
s/ resolvers docker.*//

/server-template scenario-player-/c\
    server scenario-player-8001 127.0.0.1:8001\
    server scenario-player-8002 127.0.0.1:8002
/server-template preflight-/c\
    server preflight-9011 127.0.0.1:9011\
    server preflight-9012 127.0.0.1:9012
/server-template status-proxy-/c\
    server status-proxy-9021 127.0.0.1:9021\
    server status-proxy-9022 127.0.0.1:9022
/server-template kafka-ingester-/c\
    server kafka-ingester-9101 127.0.0.1:9101\
    server kafka-ingester-9111 127.0.0.1:9111
/server-template etl-worker-/c\
    server etl-worker-9102 127.0.0.1:9102\
    server etl-worker-9112 127.0.0.1:9112
# The clients' port is the instance's with a 2 in front. Readiness is checked on the instance's own port.
/server-template object-store-.*:2346/c\
    server object-store-9103 127.0.0.1:29103 port 9103\
    server object-store-9104 127.0.0.1:29104 port 9104
/server-template object-store-.*:9103/c\
    server object-store-9103 127.0.0.1:9103\
    server object-store-9104 127.0.0.1:9104
