//! What a client asks of a plan without running it.

use std::hash::{DefaultHasher, Hash, Hasher};

use andiron_engine::{ExplainMode, SparkError};
use andiron_plan::{
    spec::{DataType, Relation, RelationNode},
    types,
};
use spark_connect_proto::{
    self as proto,
    analyze_plan_request::{Analyze, explain::ExplainMode as Wire},
    analyze_plan_response as answer, plan,
};

use super::{
    errors::invalid_plan, errors::schema_message, execute::lower, limits::PERSISTED_MAX, session::DoorSession,
};

type Answer = answer::Result;

/// Answers one question.
pub(super) async fn answer(session: &DoorSession, question: Analyze) -> Result<Answer, SparkError> {
    Ok(match question {
        Analyze::Schema(m) => {
            let schema = session.session.analyze_schema(&relation(session, m.plan)?).await?;
            Answer::Schema(answer::Schema { schema: Some(schema_message(&schema)) })
        }
        Analyze::Explain(m) => {
            let mode = match Wire::try_from(m.explain_mode) {
                Ok(Wire::Extended) => ExplainMode::Extended,
                Ok(Wire::Codegen) => ExplainMode::Codegen,
                Ok(Wire::Cost) => ExplainMode::Cost,
                Ok(Wire::Formatted) => ExplainMode::Formatted,
                _ => ExplainMode::Simple,
            };
            let explain_string = session.session.explain(&relation(session, m.plan)?, mode).await?;
            Answer::Explain(answer::Explain { explain_string })
        }
        Analyze::TreeString(m) => {
            let schema = session.session.analyze_schema(&relation(session, m.plan)?).await?;
            let level = m.level.and_then(|level| usize::try_from(level).ok());
            Answer::TreeString(answer::TreeString { tree_string: types::tree_string(&schema, level) })
        }
        Analyze::IsLocal(m) => {
            let node = relation(session, m.plan)?.node;
            let is_local = matches!(node, RelationNode::LocalRelation(_) | RelationNode::ShowString { .. });
            Answer::IsLocal(answer::IsLocal { is_local })
        }
        Analyze::IsStreaming(m) => {
            let is_streaming = session.session.is_streaming(&relation(session, m.plan)?).await?;
            Answer::IsStreaming(answer::IsStreaming { is_streaming })
        }
        Analyze::InputFiles(m) => {
            session.session.analyze_schema(&relation(session, m.plan)?).await?;
            Answer::InputFiles(answer::InputFiles { files: Vec::new() })
        }
        Analyze::SparkVersion(_) => Answer::SparkVersion(answer::SparkVersion { version: session.version() }),
        Analyze::DdlParse(m) => {
            let parsed = types::from_ddl(&m.ddl_string)?;
            Answer::DdlParse(answer::DdlParse { parsed: Some(andiron_plan::connect::data_type_to_proto(&parsed)) })
        }
        Analyze::JsonToDdl(m) => {
            let ddl_string = match types::from_json(&m.json_string)? {
                DataType::Struct(schema) => types::to_ddl(&schema),
                other => types::sql_string(&other),
            };
            Answer::JsonToDdl(answer::JsonToDdl { ddl_string })
        }
        Analyze::SameSemantics(m) => {
            let (one, other) = (relation(session, m.target_plan)?, relation(session, m.other_plan)?);
            Answer::SameSemantics(answer::SameSemantics { result: semantics(&one) == semantics(&other) })
        }
        Analyze::SemanticHash(m) => {
            let hash = hash(&relation(session, m.plan)?);
            // The low half of the number: any 32 bits of it will do.
            Answer::SemanticHash(answer::SemanticHash { result: hash as u32 as i32 })
        }
        Analyze::Persist(m) => {
            let relation = lowered(session, m.relation)?;
            session.session.analyze_schema(&relation).await?;
            let level = m.storage_level.unwrap_or(proto::StorageLevel {
                use_disk: true,
                use_memory: true,
                use_off_heap: false,
                deserialized: true,
                replication: 1,
            });
            let mut persisted = session.persisted.lock();
            if persisted.len() < PERSISTED_MAX {
                persisted.insert(hash(&relation), level);
            }
            Answer::Persist(answer::Persist {})
        }
        Analyze::Unpersist(m) => {
            let relation = lowered(session, m.relation)?;
            session.persisted.lock().remove(&hash(&relation));
            Answer::Unpersist(answer::Unpersist {})
        }
        Analyze::GetStorageLevel(m) => {
            let relation = lowered(session, m.relation)?;
            let none = proto::StorageLevel { replication: 1, ..Default::default() };
            let storage_level = Some(session.persisted.lock().get(&hash(&relation)).cloned().unwrap_or(none));
            Answer::GetStorageLevel(answer::GetStorageLevel { storage_level })
        }
    })
}

fn relation(session: &DoorSession, plan: Option<proto::Plan>) -> Result<Relation, SparkError> {
    match plan.and_then(|plan| plan.op_type) {
        Some(plan::OpType::Root(root)) => lower(session, &root),
        Some(plan::OpType::CompressedOperation(_)) => Err(SparkError::unsupported("compressed plans")),
        _ => Err(invalid_plan("a question about anything but a relation")),
    }
}

fn lowered(session: &DoorSession, relation: Option<proto::Relation>) -> Result<Relation, SparkError> {
    lower(session, &relation.ok_or_else(|| invalid_plan("a relation is missing"))?)
}

/// A plan without the numbers that the client gave to its parts: equal texts are equal plans.
fn semantics(relation: &Relation) -> String {
    let text = andiron_plan::with_stack(|| format!("{relation:?}"));
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once("plan_id: Some(") {
        out.push_str(before);
        rest = behind.split_once(')').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out.replace("plan_id: None", "")
}

fn hash(relation: &Relation) -> u64 {
    let mut hasher = DefaultHasher::new();
    semantics(relation).hash(&mut hasher);
    hasher.finish()
}
