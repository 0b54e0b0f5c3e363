"""Flights from a Kafka topic into a Delta table, the unusable ones into a dead-letter topic.

Plain PySpark: the same file runs on Apache Spark. Start it with `andiron run examples/flights.py`, or point
SPARK_REMOTE at any Spark Connect server.
"""
import argparse
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, current_timestamp, expr, from_json, lit, struct, to_json
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("--bootstrap", default="localhost:9092", help="Kafka's address")
arguments.add_argument("--topic", default="flights", help="topic to read; TOPIC.DLT takes what cannot be used")
arguments.add_argument("--table", default="andiron-data/delta/flights", help="folder of the Delta table")
arguments.add_argument("--checkpoint", default="andiron-data/checkpoints/flights", help="folder of the checkpoint")
arguments.add_argument("--max-offsets-per-trigger", type=int, default=100_000)
arguments.add_argument("--available-now", action="store_true", help="stop when everything that is there has been read")
args = arguments.parse_args()

spark = SparkSession.builder \
    .appName("Flights") \
    .config("spark.jars.packages",
            "org.apache.spark:spark-sql-kafka-0-10_2.12:3.5.0") \
    .getOrCreate()

# ── Step 1: Read raw bytes from Kafka ──
raw_df = spark.readStream \
    .format("kafka") \
    .option("kafka.bootstrap.servers", args.bootstrap) \
    .option("subscribe", args.topic) \
    .option("startingOffsets", "earliest") \
    .option("maxOffsetsPerTrigger", args.max_offsets_per_trigger) \
    .option("failOnDataLoss", "true") \
    .load()

# ── Step 2: Define schema for JSON payload ──
schema = StructType([
    StructField("year", IntegerType()),
    StructField("month", IntegerType()),
    StructField("day", IntegerType()),
    StructField("dep_time", IntegerType()),
    StructField("sched_dep_time", IntegerType()),
    StructField("dep_delay", IntegerType()),
    StructField("arr_time", IntegerType()),
    StructField("sched_arr_time", IntegerType()),
    StructField("arr_delay", IntegerType()),
    StructField("carrier", StringType()),
    StructField("flight", IntegerType()),
    StructField("tailnum", StringType()),
    StructField("origin", StringType()),
    StructField("dest", StringType()),
    StructField("air_time", IntegerType()),
    StructField("distance", IntegerType()),
    StructField("hour", IntegerType()),
    StructField("minute", IntegerType()),
    StructField("time_hour", StringType())
])

# ── Step 3: Parse JSON from the value column ──
flights_df = raw_df \
    .select(
        expr("CAST(key AS STRING) AS key"),
        expr("CAST(value AS STRING) AS raw_json"),
        col("topic"),
        col("partition"),
        col("offset"),
        col("timestamp")
    ) \
    .withColumn("data", from_json(col("raw_json"), schema)) \
    .select("key", "raw_json", "data.*", "topic", "partition", "offset", "timestamp")


# ── Step 4: Good flights to Delta, the others to the dead-letter topic ──
def process_batch(batch_df, batch_id):
    classified = batch_df.withColumn("is_valid", col("dep_time").isNotNull())

    good_records = classified.filter(col("is_valid"))
    bad_records = classified.filter(~col("is_valid"))

    # txnAppId and txnVersion make the write idempotent: a batch that is run again after a crash is not written twice.
    good_records.drop("is_valid", "raw_json") \
        .write.format("delta") \
        .mode("append") \
        .option("txnAppId", args.topic) \
        .option("txnVersion", batch_id) \
        .save(args.table)

    bad_records \
        .withColumn("error_reason", lit("never_departed")) \
        .withColumn("batch_id", lit(batch_id)) \
        .withColumn("failed_at", current_timestamp()) \
        .withColumn("value", to_json(struct(
            col("raw_json").alias("original_value"), "error_reason", "timestamp", "failed_at",
            "topic", "partition", "offset", "batch_id"
        ))) \
        .select("key", "value") \
        .write \
        .format("kafka") \
        .option("kafka.bootstrap.servers", args.bootstrap) \
        .option("topic", f"{args.topic}.DLT") \
        .save()


writer = flights_df.writeStream \
    .queryName(args.topic) \
    .foreachBatch(process_batch) \
    .option("checkpointLocation", args.checkpoint)
if args.available_now:
    writer = writer.trigger(availableNow=True)
query = writer.start()

# ── Step 5: Show how far it is ──
rows, batches, began = 0, set(), time.monotonic()


def show_progress():
    global rows
    for progress in query.recentProgress:
        if progress["batchId"] not in batches:
            batches.add(progress["batchId"])
            rows += sum(source["numInputRows"] for source in progress["sources"])
            print(f"batch {progress['batchId']:>3}: {rows:>9,} rows after {time.monotonic() - began:5.1f} s", flush=True)


try:
    while not query.awaitTermination(0.2):
        show_progress()
    show_progress()
except KeyboardInterrupt:
    query.stop()
print(f"{rows:,} rows in {len(batches)} batches")
