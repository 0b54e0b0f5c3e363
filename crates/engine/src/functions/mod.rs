//! Spark's functions: DataFusion's and datafusion-spark's where they agree with Spark, our own where they do not or are missing.

pub(crate) mod arithmetic;
pub mod cast;
pub(crate) mod json_path;
pub(crate) mod prune;
pub(crate) mod udf;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::optimizer::Optimizer;
use datafusion::prelude::SessionConfig;

use crate::Engine;
use crate::limits::BATCH_ROWS;

/// DataFusion's context with Spark's functions in it.
pub(crate) fn context(engine: &Engine) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(engine.options().partitions)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(true);
    // Names are the resolver's and never need normalising; a plan that failed a rule must not be run half optimised.
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.optimizer.skip_failed_rules = false;
    options.execution.parquet.pushdown_filters = true;
    let runtime = engine
        .options()
        .memory_bytes_max
        .and_then(|bytes| {
            RuntimeEnvBuilder::new().with_memory_pool(Arc::new(GreedyMemoryPool::new(bytes))).build_arc().ok()
        })
        .unwrap_or_default();
    // Two of DataFusion's rules push the access of a field into the projection that makes the struct. There it would repeat
    // `from_json` for every field, so they are left out.
    let mut rules = Optimizer::new().rules;
    rules.retain(|rule| !matches!(rule.name(), "extract_leaf_expressions" | "push_down_leaf_projections"));
    rules.push(Arc::new(prune::PruneJsonFields));
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_optimizer_rules(rules)
        .build();
    let mut context = SessionContext::new_with_state(state);
    // Spark's functions take the place of DataFusion's of the same name. Registering fails for nobody but a read-only registry.
    if let Err(error) = datafusion_spark::register_all(&mut context) {
        tracing::error!(%error, "Spark's functions could not be registered");
    }
    context
}
