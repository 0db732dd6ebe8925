#!/usr/bin/env bash
# Runs a Kafka broker that requires SASL or TLS, for it/security.rs:
#   secure-broker.sh DIR SASL_PORT SASL_TLS_PORT TLS_PORT PLAIN_PORT CONTROLLER_PORT
# KAFKA_LIBS is the folder of the jars of Apache Kafka, 3.5 or later. The user is ann, with the password `secret`. The broker's
# certificate is for localhost; DIR/ca.pem signed it.
set -euo pipefail
dir=$1 sasl=$2 sasl_tls=$3 tls=$4 plain=$5 controller=$6
cd "$dir"

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test
openssl req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=localhost
openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out broker.pem \
  -extfile <(echo subjectAltName=DNS:localhost)
{ openssl pkcs8 -topk8 -nocrypt -in broker.key && cat broker.pem; } >keystore.pem

cat >server.properties <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=SASL_PLAINTEXT://127.0.0.1:$sasl,SASL_SSL://127.0.0.1:$sasl_tls,SSL://127.0.0.1:$tls,PLAINTEXT://127.0.0.1:$plain,CONTROLLER://127.0.0.1:$controller
advertised.listeners=SASL_PLAINTEXT://localhost:$sasl,SASL_SSL://localhost:$sasl_tls,SSL://localhost:$tls,PLAINTEXT://127.0.0.1:$plain
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
ssl.keystore.type=PEM
ssl.keystore.location=$dir/keystore.pem
log.dirs=$dir/data
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
P
jaas=org.apache.kafka.common.security
for listener in sasl_plaintext sasl_ssl; do
  echo "listener.name.$listener.plain.sasl.jaas.config=$jaas.plain.PlainLoginModule required user_ann=\"secret\";"
  for mechanism in scram-sha-256 scram-sha-512; do
    echo "listener.name.$listener.$mechanism.sasl.jaas.config=$jaas.scram.ScramLoginModule required;"
  done
  # Kafka's own validator of tokens that are not signed.
  echo "listener.name.$listener.oauthbearer.sasl.jaas.config=$jaas.oauthbearer.OAuthBearerLoginModule required;"
done >>server.properties

kafka=(java -Xmx384m -cp "$KAFKA_LIBS/*")
"${kafka[@]}" kafka.tools.StorageTool format -t 5L6g3nShT-eMCtK--X86sw -c server.properties \
  --add-scram 'SCRAM-SHA-256=[name=ann,password=secret]' --add-scram 'SCRAM-SHA-512=[name=ann,password=secret]'
exec "${kafka[@]}" kafka.Kafka server.properties
