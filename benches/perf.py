"""Apache Kafka's own producer-perf-test and consumer-perf-test against one server, and what that cost its process."""
import re
import sys

import measure
from confluent_kafka.admin import AdminClient, NewTopic

from peers import Missing, jars, tool


def needs_kafka(bench):
    """Ends with a sentence where Apache Kafka's tools cannot be had."""
    try:
        jars("kafka")
    except Missing as why:
        sys.exit(f"bench {bench} needs Apache Kafka's own perf tools: {why}")


def produce(server, topic, records, size, throughput=-1, acks="all"):
    """(records/s, p99 ms, broker CPU us per record)"""
    before = measure.cpu_seconds(server.process.pid)
    out = tool("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", records, "--record-size", size,
               "--throughput", throughput, "--producer-props", f"bootstrap.servers={server.bootstrap}", f"acks={acks}", timeout=900)
    cpu = measure.cpu_seconds(server.process.pid) - before
    last = out.strip().splitlines()[-1]
    rate, p99 = float(re.search(r"([\d.]+) records/sec", last)[1]), float(re.search(r"([\d.]+) ms 99th", last)[1])
    return rate, p99, cpu / records * 1e6


def consume(server, topic, records):
    """(records/s, broker CPU us per record)"""
    before = measure.cpu_seconds(server.process.pid)
    out = tool("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", server.bootstrap, "--topic", topic,
               "--messages", records, "--timeout", 120_000, timeout=600)
    cpu = measure.cpu_seconds(server.process.pid) - before
    fields = [f.strip() for f in out.strip().splitlines()[-1].split(",")]
    assert int(fields[4]) >= records, out
    return float(fields[5]), cpu / records * 1e6


class Topic:
    """`with Topic(server, name):` a topic of three partitions that is gone afterwards."""

    def __init__(self, server, name, partitions=3):
        self.admin, self.name, self.partitions = AdminClient({"bootstrap.servers": server.bootstrap}), name, partitions

    def __enter__(self):
        self.admin.create_topics([NewTopic(self.name, self.partitions)])[self.name].result()
        return self.name

    def __exit__(self, *_):
        self.admin.delete_topics([self.name])[self.name].result()
        del self.admin
