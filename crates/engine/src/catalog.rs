//! What a session knows by name: temporary views, tables, and the relations a client may refer to by id.

use std::collections::HashMap;

use parking_lot::RwLock;

use crate::limits::SESSION_RELATIONS_MAX;
use crate::{Resolved, SparkError};

/// Views and remembered relations of one session.
#[derive(Debug, Default)]
pub struct Catalog {
    views: RwLock<HashMap<String, Resolved>>,
    remembered: RwLock<HashMap<String, Resolved>>,
}

impl Clone for Catalog {
    fn clone(&self) -> Self {
        Self { views: RwLock::new(self.views.read().clone()), remembered: RwLock::new(self.remembered.read().clone()) }
    }
}

impl Catalog {
    /// Makes a temporary view; an old one of the name goes only with `replace`.
    pub fn create_view(&self, name: &str, rows: Resolved, replace: bool) -> Result<(), SparkError> {
        let mut views = self.views.write();
        if !replace && views.contains_key(&name.to_lowercase()) {
            return Err(view_exists(name));
        }
        bounded(&views, name)?;
        views.insert(name.to_lowercase(), rows);
        Ok(())
    }

    /// Drops a temporary view; false if there was none.
    pub fn drop_view(&self, name: &str) -> bool {
        self.views.write().remove(&name.to_lowercase()).is_some()
    }

    /// The view of a name in any case.
    pub fn view(&self, name: &str) -> Option<Resolved> {
        self.views.read().get(&name.to_lowercase()).cloned()
    }

    /// The names of all views, sorted.
    pub fn view_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.views.read().keys().cloned().collect();
        names.sort();
        names
    }

    /// Remembers a relation under an id: a micro-batch over fixed offsets, which each action may run again.
    pub fn remember(&self, relation_id: &str, rows: Resolved) -> Result<(), SparkError> {
        let mut remembered = self.remembered.write();
        bounded(&remembered, relation_id)?;
        remembered.insert(relation_id.to_owned(), rows);
        Ok(())
    }

    /// Forgets a relation; false if there was none.
    pub fn forget(&self, relation_id: &str) -> bool {
        self.remembered.write().remove(relation_id).is_some()
    }

    /// The relation of an id.
    pub fn remembered(&self, relation_id: &str) -> Option<Resolved> {
        self.remembered.read().get(relation_id).cloned()
    }
}

fn bounded(map: &HashMap<String, Resolved>, name: &str) -> Result<(), SparkError> {
    if map.len() >= SESSION_RELATIONS_MAX && !map.contains_key(name) {
        return Err(SparkError::internal(format!(
            "A session holds at most {SESSION_RELATIONS_MAX} views or cached relations."
        )));
    }
    Ok(())
}

pub(crate) fn view_exists(name: &str) -> SparkError {
    SparkError::analysis(
        "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
        "42P07",
        format!(
            "Cannot create the temporary view `{name}` because it already exists.\n\
             Choose a different name, drop or replace the existing view,  or add the IF NOT EXISTS clause to tolerate pre-existing views."
        ),
    )
    .with("relationName", format!("`{name}`"))
}
