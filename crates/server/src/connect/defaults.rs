//! Spark's own defaults of the settings that clients and programs ask for. A key that is not here and was never set is
//! unknown, as in Spark.

/// A setting of Spark.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    /// Spark 3.5's default; none when it has none.
    pub(super) default_3: Option<&'static str>,
    /// Spark 4's default.
    pub(super) default_4: Option<&'static str>,
    /// Fixed when the server starts.
    pub(super) is_static: bool,
}

/// The setting of a key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.binary_search_by_key(&key, |setting| setting.key).ok().and_then(|at| SETTINGS.get(at))
}

const fn both(key: &'static str, default: &'static str) -> Setting {
    Setting { key, default_3: Some(default), default_4: Some(default), is_static: false }
}

const fn split(key: &'static str, default_3: &'static str, default_4: &'static str) -> Setting {
    Setting { key, default_3: Some(default_3), default_4: Some(default_4), is_static: false }
}

const fn without_default(key: &'static str) -> Setting {
    Setting { key, default_3: None, default_4: None, is_static: false }
}

const fn fixed(key: &'static str, default: &'static str) -> Setting {
    Setting { key, default_3: Some(default), default_4: Some(default), is_static: true }
}

/// By key.
static SETTINGS: &[Setting] = &[
    fixed("spark.api.mode", "connect"),
    both("spark.app.name", "Spark shell"),
    fixed("spark.connect.grpc.binding.port", "15002"),
    both("spark.connect.session.planCompression.defaultAlgorithm", "NONE"),
    both("spark.connect.session.planCompression.threshold", "-1"),
    without_default("spark.jars.packages"),
    both("spark.master", "local[*]"),
    both("spark.python.sql.dataFrameDebugging.enabled", "true"),
    both("spark.sql.adaptive.coalescePartitions.enabled", "true"),
    both("spark.sql.adaptive.enabled", "true"),
    both("spark.sql.adaptive.skewJoin.enabled", "true"),
    split("spark.sql.ansi.enabled", "false", "true"),
    both("spark.sql.artifact.isolation.alwaysApplyClassloader", "false"),
    both("spark.sql.artifact.isolation.enabled", "true"),
    both("spark.sql.autoBroadcastJoinThreshold", "10485760b"),
    both("spark.sql.caseSensitive", "false"),
    fixed("spark.sql.catalogImplementation", "in-memory"),
    both("spark.sql.columnNameOfCorruptRecord", "_corrupt_record"),
    // There is no JVM whose stack could be shown.
    both("spark.sql.connect.serverStacktrace.enabled", "false"),
    both("spark.sql.crossJoin.enabled", "true"),
    both("spark.sql.debug.maxToStringFields", "25"),
    both("spark.sql.defaultCatalog", "spark_catalog"),
    both("spark.sql.execution.arrow.enabled", "false"),
    both("spark.sql.execution.arrow.maxRecordsPerBatch", "10000"),
    both("spark.sql.execution.arrow.pyspark.enabled", "false"),
    both("spark.sql.execution.arrow.pyspark.fallback.enabled", "true"),
    both("spark.sql.execution.arrow.pyspark.selfDestruct.enabled", "false"),
    both("spark.sql.execution.arrow.useLargeVarTypes", "false"),
    both("spark.sql.execution.pandas.convertToArrowArraySafely", "false"),
    both("spark.sql.execution.pandas.inferPandasDictAsMap", "false"),
    both("spark.sql.execution.pandas.structHandlingMode", "legacy"),
    both("spark.sql.execution.pyspark.binaryAsBytes", "true"),
    both("spark.sql.execution.pythonUDF.arrow.enabled", "false"),
    both("spark.sql.execution.pythonUDTF.arrow.enabled", "false"),
    without_default("spark.sql.extensions"),
    both("spark.sql.files.maxPartitionBytes", "134217728b"),
    fixed("spark.sql.globalTempDatabase", "global_temp"),
    both("spark.sql.jsonGenerator.ignoreNullFields", "true"),
    without_default("spark.sql.leafNodeDefaultParallelism"),
    split("spark.sql.legacy.timeParserPolicy", "EXCEPTION", "CORRECTED"),
    both("spark.sql.mapKeyDedupPolicy", "EXCEPTION"),
    both("spark.sql.parquet.compression.codec", "snappy"),
    both("spark.sql.pyspark.inferNestedDictAsStruct.enabled", "false"),
    both("spark.sql.pyspark.jvmStacktrace.enabled", "false"),
    both("spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled", "false"),
    both("spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled", "false"),
    both("spark.sql.pyspark.plotting.max_rows", "1000"),
    split("spark.sql.pyspark.toJSON.returnDataFrame", "false", "false"),
    both("spark.sql.repl.eagerEval.enabled", "false"),
    both("spark.sql.repl.eagerEval.maxNumRows", "20"),
    both("spark.sql.repl.eagerEval.truncate", "20"),
    both("spark.sql.session.localRelationBatchOfChunksSizeBytes", "1073741824"),
    split("spark.sql.session.localRelationCacheThreshold", "67108864", "1048576"),
    both("spark.sql.session.localRelationChunkSizeBytes", "16777216"),
    both("spark.sql.session.localRelationChunkSizeRows", "10000"),
    both("spark.sql.session.localRelationSizeLimit", "3221225472"),
    without_default("spark.sql.session.timeZone"),
    both("spark.sql.shuffle.partitions", "200"),
    both("spark.sql.sources.default", "parquet"),
    both("spark.sql.sources.partitionOverwriteMode", "STATIC"),
    both("spark.sql.stackTracesInDataFrameContext", "1"),
    without_default("spark.sql.streaming.checkpointLocation"),
    both("spark.sql.streaming.kafka.useDeprecatedOffsetFetching", "false"),
    both("spark.sql.streaming.metricsEnabled", "false"),
    both("spark.sql.streaming.minBatchesToRetain", "100"),
    both("spark.sql.streaming.multipleWatermarkPolicy", "min"),
    both("spark.sql.streaming.noDataMicroBatches.enabled", "true"),
    both("spark.sql.streaming.noDataProgressEventInterval", "10000"),
    both("spark.sql.streaming.numRecentProgressUpdates", "100"),
    both("spark.sql.streaming.pollingDelay", "10"),
    both("spark.sql.streaming.schemaInference", "false"),
    both(
        "spark.sql.streaming.stateStore.providerClass",
        "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider",
    ),
    both("spark.sql.streaming.statefulOperator.checkCorrectness.enabled", "true"),
    both("spark.sql.streaming.stopTimeout", "0"),
    without_default("spark.sql.streaming.streamingQueryListeners"),
    both("spark.sql.timestampType", "TIMESTAMP_LTZ"),
    both("spark.sql.ui.explainMode", "formatted"),
    both("spark.sql.variable.substitute", "true"),
    fixed("spark.sql.warehouse.dir", "spark-warehouse"),
    both("spark.submit.deployMode", "client"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_found() {
        assert!(SETTINGS.windows(2).all(|pair| pair[0].key < pair[1].key));
        assert!(
            find("spark.sql.ansi.enabled").is_some_and(|s| s.default_3 == Some("false") && s.default_4 == Some("true"))
        );
        assert!(find("spark.sql.nothing").is_none());
    }
}
