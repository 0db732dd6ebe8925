// A broker that is not Mosquitto: aedes, which speaks MQTT 3.1.1. It listens on four ports that it is given, for TCP, TLS,
// WebSockets, and WebSockets over TLS. Each message that a client publishes is a line of its output. It ends the connection of
// a client that publishes to the refused topic.
const [tcp, tls, ws, wss, cert, key, refusedTopic] = process.argv.slice(2)
const { readFileSync } = require('node:fs')
const { Aedes } = require('aedes')
const { WebSocketServer, createWebSocketStream } = require('ws')

const authorizePublish = (_client, packet, done) =>
  done(packet.topic === refusedTopic ? new Error('not here') : null)

Aedes.createBroker({ authorizePublish }).then((broker) => {
  broker.on('publish', (packet, client) => {
    if (client) console.log(`${packet.topic} ${packet.qos} ${packet.payload}`)
  })
  const pem = { cert: readFileSync(cert), key: readFileSync(key) }
  const overWebSockets = (server) =>
    new WebSocketServer({ server, handleProtocols: () => 'mqtt' }).on('connection', (socket, request) =>
      broker.handle(createWebSocketStream(socket), request))
  require('node:tls').createServer(pem, broker.handle).listen(tls)
  const http = require('node:http').createServer()
  const https = require('node:https').createServer(pem)
  overWebSockets(http)
  overWebSockets(https)
  http.listen(ws)
  https.listen(wss)
  require('node:net').createServer(broker.handle).listen(tcp)
})
