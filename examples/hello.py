"""Two orders into Kafka and back: `andiron run examples/hello.py`."""
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

spark = SparkSession.builder.getOrCreate()
spark.createDataFrame([("A1", "99.99"), ("A2", "5.00")], ["key", "value"]) \
    .write.format("kafka").option("kafka.bootstrap.servers", "localhost:9092").option("topic", "orders").save()
spark.read.format("kafka").option("kafka.bootstrap.servers", "localhost:9092").option("subscribe", "orders").load() \
    .select(col("key").cast("string"), col("value").cast("string"), "offset").show()
