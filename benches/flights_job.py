"""One engine's share of bench flights: the topic into a Delta table, once. Prints the seconds from start() to the end."""
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, from_json

remote, bootstrap, topic, folder = sys.argv[1:]
SCHEMA = ("year int, month int, day int, dep_time int, sched_dep_time int, dep_delay int, arr_time int, sched_arr_time int, "
          "arr_delay int, carrier string, flight int, tailnum string, origin string, dest string, air_time int, distance int, "
          "hour int, minute int, time_hour string")
spark = SparkSession.builder.remote(remote).getOrCreate()
flights = spark.readStream.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("subscribe", topic) \
    .option("startingOffsets", "earliest").load() \
    .select(from_json(col("value").cast("string"), SCHEMA).alias("d"), "partition", "offset").select("d.*", "partition", "offset")
began = time.monotonic()
query = flights.writeStream.format("delta").option("checkpointLocation", f"{folder}/checkpoint") \
    .trigger(availableNow=True).start(f"{folder}/table")
query.awaitTermination()
seconds = time.monotonic() - began
assert query.exception() is None, query.exception()
print(f"SECONDS {seconds:.3f}")
