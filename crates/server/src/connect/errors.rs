//! Errors as Spark's clients read them: a gRPC status whose details name the Java class, the error class and its parts.

use std::collections::HashMap;

use andiron_engine::{Exception, SparkError};
use spark_connect_proto::{self as proto, fetch_error_details_response as details};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{
    limits::{STATUS_CHARS_MAX, STATUS_PARAMETERS_BYTES_MAX},
    session::DoorSession,
};

const DOMAIN: &str = "org.apache.spark";

/// The status of an error, which stays with the session for FetchErrorDetails.
pub(super) fn status(error: &SparkError, session: Option<&DoorSession>) -> Status {
    let classes = error.java_classes();
    let mut metadata = HashMap::from([(
        "classes".to_owned(),
        format!("[{}]", classes.iter().map(|class| format!("\"{class}\"")).collect::<Vec<_>>().join(",")),
    )]);
    if let Some(class) = error.class() {
        metadata.insert("errorClass".to_owned(), class.to_owned());
    }
    if let Some(state) = error.sql_state() {
        metadata.insert("sqlState".to_owned(), state.to_owned());
    }
    let parameters = json_object(error.parameters());
    if parameters.len() <= STATUS_PARAMETERS_BYTES_MAX {
        metadata.insert("messageParameters".to_owned(), parameters);
    }
    if let Some(session) = session {
        metadata.insert("errorId".to_owned(), session.remember_error(error.clone()));
    }
    let text = error.to_string();
    let text = match text.char_indices().nth(STATUS_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    let reason = classes.first().copied().unwrap_or("org.apache.spark.SparkException");
    Status::with_error_details(Code::Internal, text, ErrorDetails::with_error_info(reason, DOMAIN, metadata))
}

/// Everything about an error.
pub(super) fn all_details(error: &SparkError) -> details::Error {
    details::Error {
        error_type_hierarchy: error.java_classes().iter().map(|&class| class.to_owned()).collect(),
        message: error.to_string(),
        stack_trace: Vec::new(),
        cause_idx: None,
        spark_throwable: error.class().map(|class| details::SparkThrowable {
            error_class: Some(class.to_owned()),
            message_parameters: error.parameters().iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            query_contexts: Vec::new(),
            sql_state: error.sql_state().map(str::to_owned),
            breaking_change_info: None,
        }),
    }
}

fn json_object(parameters: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(k, v)| format!("{}:{}", json_text(k), json_text(v))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// A text as a JSON string.
pub(super) fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A handle that is not what the client believes; clients look for these names in the text.
pub(super) fn invalid_handle(kind: &str, handle: &str, text: &str) -> SparkError {
    SparkError::new(
        Exception::Spark,
        &format!("INVALID_HANDLE.{kind}"),
        "HY000",
        format!("The handle {handle} is invalid. {text}"),
    )
    .with("handle", handle)
}

/// A place in a stream of answers that is not to be had.
pub(super) fn invalid_cursor(kind: &str, text: &str) -> SparkError {
    SparkError::new(
        Exception::Spark,
        &format!("INVALID_CURSOR.{kind}"),
        "HY109",
        format!("The cursor is invalid. {text}"),
    )
}

/// What an interrupted operation ends with.
pub(super) fn canceled(operation: &str) -> SparkError {
    SparkError::new(
        Exception::Spark,
        "OPERATION_CANCELED",
        "HY008",
        format!("Operation {operation} has been canceled."),
    )
}

/// A message that lacks a part.
pub(super) fn invalid_plan(what: &str) -> SparkError {
    andiron_plan::PlanError::Invalid { what: what.to_owned() }.into()
}

/// The schema of a plan as a message.
pub(super) fn schema_message(schema: &andiron_plan::spec::StructType) -> proto::DataType {
    andiron_plan::connect::schema_to_proto(schema)
}
