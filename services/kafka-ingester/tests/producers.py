"""Sends messages as a client of Python does: producers.py CLIENT BROKER TOPIC [REGISTRY]."""

import asyncio
import datetime
import decimal
import json
import sys

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]


def plain(client):
    """A message for each codec, each with an id of its own."""
    for number, codec in enumerate(CODECS):
        yield codec, json.dumps({"battery_id": f"{client}-{number}", "codec": codec, "text": "x" * 1000}).encode()


def kafka_python(broker, topic):
    import kafka

    for codec, value in plain("kafka-python"):
        # librdkafka's mock cluster does not have the newest requests.
        producer = kafka.KafkaProducer(bootstrap_servers=broker, compression_type=codec, api_version=(2, 1))
        producer.send(topic, value, partition=0).get(30)
        producer.close()


def aiokafka(broker, topic):
    from aiokafka import AIOKafkaProducer

    async def send():
        for codec, value in plain("aiokafka"):
            producer = AIOKafkaProducer(bootstrap_servers=broker, compression_type=codec)
            await producer.start()
            await producer.send_and_wait(topic, value, partition=0)
            await producer.stop()

    asyncio.run(send())


def confluent_kafka(broker, topic):
    from confluent_kafka import Producer

    for codec, value in plain("confluent-kafka"):
        producer = Producer({"bootstrap.servers": broker, "compression.type": codec or "none"})
        producer.produce(topic, value, partition=0)
        assert producer.flush(30) == 0


def serializers(broker, topic, registry):
    """Orders by each of confluent-kafka's serializers, and keys by the one for Avro: the second order is deleted, and the
    fifth has one field more."""
    from confluent_kafka import Producer
    from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
    from confluent_kafka.schema_registry.avro import AvroSerializer
    from confluent_kafka.schema_registry.json_schema import JSONSerializer
    from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    client = SchemaRegistryClient({"url": registry})
    producer = Producer({"bootstrap.servers": broker})
    field = {"key": SerializationContext(topic, MessageField.KEY), "value": SerializationContext(topic, MessageField.VALUE)}
    key_schema = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
    key_of = AvroSerializer(client, json.dumps(key_schema))

    def send(id, serializer, order):
        value = serializer and serializer(order, field["value"])
        producer.produce(topic, value, key_of({"id": id}, field["key"]), partition=0)

    decimal_type = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
    avro_schema = {"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [{"name": "name", "type": "string"}]}},
        {"name": "amount", "type": decimal_type},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"]},
    ]}
    # A registry does not let a schema of another type follow in a subject.
    by_record = {"subject.name.strategy": topic_record_subject_name_strategy}
    avro = AvroSerializer(client, json.dumps(avro_schema), conf=by_record)
    at = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.timezone.utc)
    order = {"customer": {"name": "Ann"}, "amount": decimal.Decimal("12.50"), "at": at, "note": None}
    for id in 1, 2:
        send(id, avro, order | {"id": id})
    json_schema = {"title": "JsonOrder", "type": "object", "properties": {"id": {"type": "integer"}, "amount": {"type": "number"}}}
    send(3, JSONSerializer(json.dumps(json_schema), client, conf=by_record), {"id": 3, "amount": 12.5})
    message = protobuf_order()
    send(4, ProtobufSerializer(type(message), client, {"use.deprecated.format": False} | by_record), message)
    send(2, None, None)
    avro_schema["fields"].append({"name": "site", "type": "string", "default": "south"})
    evolved = AvroSerializer(client, json.dumps(avro_schema), conf=by_record)
    send(5, evolved, order | {"id": 5, "site": "north"})
    assert producer.flush(30) == 0


def protobuf_order():
    """An Order that is the second message inside of the file's second, and imports another file of ours and Google's."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

    def file(name, dependency=()):
        file = descriptor_pb2.FileDescriptorProto(name=name, package="shop", syntax="proto3", dependency=dependency)
        return file

    def add(message, name, number, kind, type_name=None):
        message.field.add(name=name, number=number, type=kind, label=1, type_name=type_name)

    kinds = descriptor_pb2.FieldDescriptorProto
    customers = file("customer.proto")
    add(customers.message_type.add(name="Customer"), "name", 1, kinds.TYPE_STRING)
    orders = file("order.proto", ["customer.proto", "google/protobuf/timestamp.proto"])
    orders.message_type.add(name="Unused")
    outer = orders.message_type.add(name="Outer")
    outer.nested_type.add(name="Other")
    order = outer.nested_type.add(name="Order")
    add(order, "id", 1, kinds.TYPE_INT64)
    add(order, "customer", 2, kinds.TYPE_MESSAGE, ".shop.Customer")
    add(order, "at", 3, kinds.TYPE_MESSAGE, ".google.protobuf.Timestamp")
    add(order, "amount", 4, kinds.TYPE_DOUBLE)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    for it in customers, orders:
        pool.Add(it)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Outer.Order"))(id=4)
    message.customer.name = "Bob"
    message.at.seconds = 1
    return message


if __name__ == "__main__":
    client, *arguments = sys.argv[1:]
    {"kafka-python": kafka_python, "aiokafka": aiokafka, "confluent-kafka": confluent_kafka, "serializers": serializers}[client](*arguments)
