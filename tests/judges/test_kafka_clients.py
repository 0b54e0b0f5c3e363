"""Judged by kafka-python and librdkafka: producers, groups, admin, and what is kept over a kill."""
import json
import time

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from server import free_port

pytestmark = pytest.mark.kafka


def admin(andiron):
    return AdminClient({"bootstrap.servers": andiron.bootstrap})


def create(andiron, topic, partitions=3, **config):
    client = admin(andiron)  # its futures die with it
    client.create_topics([NewTopic(topic, partitions, config=config)])[topic].result()


def consume(andiron, topic, count, group="reader", **config):
    consumer = Consumer({"bootstrap.servers": andiron.bootstrap, "group.id": group, "auto.offset.reset": "earliest", **config})
    consumer.subscribe([topic])
    got, deadline = [], time.monotonic() + 30
    while len(got) < count and time.monotonic() < deadline:
        got += [m for m in consumer.consume(count - len(got), timeout=1) if m.error() is None]
    consumer.close()
    assert len(got) == count, f"{len(got)} of {count}"
    return got


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_librdkafka_every_codec_and_acks(andiron, codec, acks):
    topic = f"codec-{codec}-{acks}"
    create(andiron, topic, 1)
    producer = Producer({"bootstrap.servers": andiron.bootstrap, "acks": acks, "compression.type": codec, "linger.ms": 20})
    values = [b"%d " % i * 30 for i in range(500)] + [b""]
    for value in values:
        producer.produce(topic, key=b"k", value=value, headers=[("h", b"1"), ("h", None)])
    assert producer.flush(20) == 0
    got = consume(andiron, topic, len(values), group=topic)
    assert [m.value() for m in got] == values and got[0].headers() == [("h", b"1"), ("h", None)]


def test_kafka_python_produces_and_consumes_in_a_group(andiron):
    from kafka import KafkaConsumer, KafkaProducer
    create(andiron, "python", 3)
    producer = KafkaProducer(bootstrap_servers=andiron.bootstrap, acks="all", enable_idempotence=True,
                             key_serializer=str.encode, value_serializer=lambda v: json.dumps(v).encode())
    places = {producer.send("python", key="user_123", value={"n": n}).get(timeout=20).partition for n in range(50)}
    assert len(places) == 1, "a key belongs to one partition"
    producer.close()
    consumer = KafkaConsumer("python", bootstrap_servers=andiron.bootstrap, group_id="python", auto_offset_reset="earliest",
                             enable_auto_commit=False, consumer_timeout_ms=15_000)
    got = []
    for message in consumer:
        got.append(json.loads(message.value)["n"])
        if len(got) == 50:
            break
    assert got == list(range(50))
    consumer.commit()
    consumer.close()
    again = KafkaConsumer("python", bootstrap_servers=andiron.bootstrap, group_id="python", auto_offset_reset="earliest",
                          consumer_timeout_ms=3_000)
    assert list(again) == [], "what was committed is not read again"
    again.close()


def test_a_group_of_two_shares_the_partitions_and_hands_them_over(andiron):
    create(andiron, "shared", 4)
    config = {"bootstrap.servers": andiron.bootstrap, "group.id": "pair", "session.timeout.ms": 6_000}
    first, second = Consumer(config), Consumer(config)
    for consumer in (first, second):
        consumer.subscribe(["shared"])
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and not (len(first.assignment()) == len(second.assignment()) == 2):
        first.poll(0.1)
        second.poll(0.1)
    assert sorted(p.partition for c in (first, second) for p in c.assignment()) == [0, 1, 2, 3]
    client = admin(andiron)
    described = client.describe_consumer_groups(["pair"])["pair"].result()
    assert len(described.members) == 2 and described.state.name == "STABLE"
    second.close()
    while time.monotonic() < deadline and len(first.assignment()) < 4:
        first.poll(0.1)
    assert len(first.assignment()) == 4
    first.close()


def test_topics_partitions_and_configs_by_the_admin_client(andiron):
    create(andiron, "managed", 2, **{"retention.ms": "1000000"})
    client = admin(andiron)
    client.create_partitions([NewPartitions("managed", 5)])["managed"].result()
    assert len(client.list_topics("managed", timeout=10).topics["managed"].partitions) == 5
    resource = ConfigResource(ConfigResource.Type.TOPIC, "managed")
    entries = client.describe_configs([resource])[resource].result()
    assert entries["retention.ms"].value == "1000000" and not entries["retention.ms"].is_default
    assert entries["cleanup.policy"].value == "delete" and entries["cleanup.policy"].is_default
    with pytest.raises(Exception) as refused:
        create(andiron, "managed")
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    with pytest.raises(Exception) as refused:
        create(andiron, "wrong", 1, **{"retention.ms": "soon"})
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG and "retention.ms" in refused.value.args[0].str()
    client.delete_topics(["managed"])["managed"].result()
    assert "managed" not in client.list_topics(timeout=10).topics


def test_what_was_acknowledged_is_there_after_kill_9(start):
    andiron = start(kafka_port=free_port())
    create(andiron, "kept", 1)
    acknowledged = []
    producer = Producer({"bootstrap.servers": andiron.bootstrap, "enable.idempotence": True, "linger.ms": 1,
                         "message.timeout.ms": 60_000, "reconnect.backoff.max.ms": 200})

    def seen(error, message):
        assert error is None, error
        acknowledged.append(int(message.value()))

    for n in range(30_000):
        producer.produce("kept", value=b"%d" % n, on_delivery=seen)
        producer.poll(0)
        if n in (8_000, 16_000, 24_000):
            andiron.kill()
            andiron.start()
    assert producer.flush(60) == 0 and acknowledged == list(range(30_000))
    assert [int(m.value()) for m in consume(andiron, "kept", 30_000)] == list(range(30_000))


def test_sigterm_with_open_clients_takes_under_a_second(start):
    andiron = start()
    create(andiron, "drained")
    consumer = Consumer({"bootstrap.servers": andiron.bootstrap, "group.id": "open"})
    consumer.subscribe(["drained"])
    deadline = time.monotonic() + 20
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.2)
    producer = Producer({"bootstrap.servers": andiron.bootstrap})
    producer.produce("drained", b"x", on_delivery=lambda e, m: None)
    assert producer.flush(10) == 0
    assert andiron.stop() < 1.0
    assert (andiron.log_dir / ".kafka_cleanshutdown").exists()
    andiron.start()
    c = Consumer({"bootstrap.servers": andiron.bootstrap, "group.id": "offsets"})
    assert sum(c.get_watermark_offsets(TopicPartition("drained", p), timeout=10)[1] for p in range(3)) == 1
    c.close()
    consumer.close()
