// Sends messages as a client of node does: kafkajs.js BROKER TOPIC. kafkajs itself has no other codec than gzip.
const { CompressionTypes, Kafka, logLevel } = require("kafkajs");

const [broker, topic] = process.argv.slice(2);

async function send() {
  const producer = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR }).producer();
  await producer.connect();
  for (const codec of ["None", "GZIP"]) {
    const value = JSON.stringify({ battery_id: `kafkajs-${codec}`, codec, text: "x".repeat(1000) });
    await producer.send({ topic, compression: CompressionTypes[codec], messages: [{ value, partition: 0 }] });
  }
  await producer.disconnect();
}

send().catch((error) => {
  console.error(error);
  process.exit(1);
});
