//! What a name can mean at one place of a plan, and how a value there is typed.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::functions::cast::CastRules;
use crate::resolved::OutputColumn;
use crate::{Session, SparkError};

/// Numbers columns over all plans of the process, so that plans can be put together without a clash.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A column name that no other column has.
pub(crate) fn fresh() -> String {
    format!("#{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A number that nothing else of the process has.
pub(crate) fn fresh_number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A column of a plan by its internal name.
pub(crate) fn column(internal: &str) -> Expr {
    Expr::Column(Column::new_unqualified(internal))
}

/// An expression with its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) data_type: DataType,
}

impl Typed {
    pub(crate) fn literal(value: ScalarValue) -> Self {
        Self { data_type: value.data_type(), expr: Expr::Literal(value, None) }
    }

    pub(crate) fn text(value: &str) -> Self {
        Self::literal(ScalarValue::Utf8(Some(value.to_owned())))
    }

    /// The constant text that this is.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.expr {
            Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text), _) => {
                text.as_deref()
            }
            _ => None,
        }
    }

    /// The constant whole number that this is.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match &self.expr {
            Expr::Literal(value, _) => match value {
                ScalarValue::Int8(Some(v)) => Some(i64::from(*v)),
                ScalarValue::Int16(Some(v)) => Some(i64::from(*v)),
                ScalarValue::Int32(Some(v)) => Some(i64::from(*v)),
                ScalarValue::Int64(Some(v)) => Some(*v),
                _ => None,
            },
            Expr::Negative(inner) => {
                let inner = Self { expr: (**inner).clone(), data_type: self.data_type.clone() };
                inner.as_integer().and_then(i64::checked_neg)
            }
            _ => None,
        }
    }

    pub(crate) fn is_text(&self) -> bool {
        is_text(&self.data_type)
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(crate) fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Aggregate functions found in a select list: each with the column that holds its result.
#[derive(Debug, Default)]
pub(crate) struct Aggregates {
    pub(crate) found: Vec<(Expr, String, DataType)>,
}

/// Where an expression is resolved.
pub(crate) struct Scope<'a> {
    pub(crate) session: &'a Session,
    pub(crate) state: &'a SessionState,
    pub(crate) columns: &'a [OutputColumn],
    pub(crate) schema: &'a DFSchema,
    pub(crate) rules: CastRules,
    pub(crate) case_sensitive: bool,
    /// There, if aggregate functions are allowed here.
    pub(crate) aggregates: Option<&'a RefCell<Aggregates>>,
}

impl Scope<'_> {
    pub(crate) fn same_name(&self, a: &str, b: &str) -> bool {
        if self.case_sensitive { a == b } else { a == b || a.to_lowercase() == b.to_lowercase() }
    }

    pub(crate) fn type_of(&self, column: &OutputColumn) -> Result<DataType, SparkError> {
        Ok(self.schema.field_with_unqualified_name(&column.internal)?.data_type().clone())
    }

    /// An expression with the type that DataFusion gives it.
    pub(crate) fn typed(&self, expr: Expr) -> Result<Typed, SparkError> {
        let gathered = self.aggregates.map(|a| a.borrow()).filter(|a| !a.found.is_empty());
        let data_type = match gathered {
            // Results of aggregate functions are columns that the input does not have.
            Some(gathered) => {
                let results = gathered.found.iter().map(|(_, name, of)| Field::new(name, of.clone(), true));
                let own = self.schema.fields().iter().map(|f| f.as_ref().clone());
                let all = own.chain(results).map(Arc::new).collect::<Fields>();
                expr.get_type(&DFSchema::from_unqualified_fields(all, std::collections::HashMap::new())?)?
            }
            None => expr.get_type(self.schema)?,
        };
        Ok(Typed { expr, data_type })
    }

    /// The columns that a name may mean, and how many of its parts name the column: the rest are fields within it.
    fn candidates(&self, name: &[String], plan_id: Option<i64>) -> (Vec<&OutputColumn>, usize) {
        let of_plan: Vec<&OutputColumn> = match plan_id {
            Some(id) => {
                let own: Vec<_> = self.columns.iter().filter(|c| c.plan_ids.contains(&id)).collect();
                // A frame's column may have been replaced under its name since.
                if own.iter().any(|c| name.first().is_some_and(|n| self.same_name(n, &c.name))) {
                    own
                } else {
                    self.columns.iter().collect()
                }
            }
            None => self.columns.iter().collect(),
        };
        for qualifier_parts in (0..name.len()).rev() {
            let qualifier = name[..qualifier_parts].last();
            let found: Vec<_> = of_plan
                .iter()
                .copied()
                .filter(|c| {
                    self.same_name(&c.name, &name[qualifier_parts])
                        && qualifier.is_none_or(|q| c.qualifiers.iter().any(|own| self.same_name(own, q)))
                })
                .collect();
            if !found.is_empty() {
                return (found, qualifier_parts + 1);
            }
        }
        (Vec::new(), 0)
    }

    /// The column or field of a name, with the name that a select gives it.
    pub(crate) fn attribute(
        &self,
        name: &[String],
        plan_id: Option<i64>,
    ) -> Result<(Typed, Option<&OutputColumn>), SparkError> {
        let (found, parts) = self.candidates(name, plan_id);
        let column_found = match found.as_slice() {
            [] => return Err(SparkError::unresolved_column(&name.join("."), &self.suggestions(&name.join(".")))),
            [one] => *one,
            [first, rest @ ..] if rest.iter().all(|c| c.internal == first.internal) => *first,
            several => {
                let names: Vec<_> = several
                    .iter()
                    .map(|c| c.qualifiers.first().map_or_else(|| c.name.clone(), |q| format!("{q}.{}", c.name)))
                    .collect();
                return Err(SparkError::ambiguous_reference(&name.join("."), &names));
            }
        };
        let mut typed = Typed { expr: column(&column_found.internal), data_type: self.type_of(column_found)? };
        for field in &name[parts..] {
            typed = self.field(typed, field)?;
        }
        Ok((typed, (parts == name.len()).then_some(column_found)))
    }

    /// Names in reach, the likeliest first.
    pub(crate) fn suggestions(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .columns
            .iter()
            .map(|c| c.qualifiers.first().map_or_else(|| c.name.clone(), |q| format!("{q}.{}", c.name)))
            .collect();
        let last = name.rsplit('.').next().unwrap_or(name).to_lowercase();
        names.sort_by_key(|known| distance(&last, &known.rsplit('.').next().unwrap_or(known).to_lowercase()));
        names
    }

    /// A field of a struct, of all structs of an array, or the value of a map's key.
    pub(crate) fn field(&self, of: Typed, name: &str) -> Result<Typed, SparkError> {
        match &of.data_type {
            DataType::Struct(fields) => {
                let field = self.find_field(fields, name)?;
                let data_type = fields[field].data_type().clone();
                let key = fields[field].name().clone();
                Ok(Typed { expr: datafusion::functions::core::expr_fn::get_field(of.expr, key.as_str()), data_type })
            }
            DataType::Map(entries, _) => {
                let value = match entries.data_type() {
                    DataType::Struct(pair) if pair.len() == 2 => pair[1].data_type().clone(),
                    _ => DataType::Null,
                };
                let expr = datafusion::functions::core::expr_fn::get_field(of.expr, name);
                Ok(Typed { expr, data_type: value })
            }
            other => {
                let shown = crate::types::from_arrow_type(other)
                    .map_or_else(|_| other.to_string(), |t| andiron_plan::types::sql_string(&t));
                Err(SparkError::analysis(
                    "INVALID_EXTRACT_BASE_FIELD_TYPE",
                    "42000",
                    format!("Can't extract a value from \"{}\". Need a complex type [STRUCT, ARRAY, MAP] but got \"{shown}\".", shown_name(&of.expr, self)),
                )
                .with("base", format!("\"{}\"", shown_name(&of.expr, self)))
                .with("other", format!("\"{shown}\"")))
            }
        }
    }

    fn find_field(&self, fields: &Fields, name: &str) -> Result<usize, SparkError> {
        let found: Vec<usize> =
            fields.iter().enumerate().filter(|(_, f)| self.same_name(f.name(), name)).map(|(i, _)| i).collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let names: Vec<_> = fields.iter().map(|f| f.name().clone()).collect();
                Err(SparkError::field_not_found(name, &names))
            }
            _ => Err(SparkError::analysis(
                "AMBIGUOUS_REFERENCE_TO_FIELDS",
                "42000",
                format!("Ambiguous reference to the field `{name}`. It appears {} times in the schema.", found.len()),
            )),
        }
    }
}

fn shown_name(expr: &Expr, scope: &Scope<'_>) -> String {
    match expr {
        Expr::Column(column) => scope
            .columns
            .iter()
            .find(|c| c.internal == column.name)
            .map_or_else(|| column.name.clone(), |c| c.name.clone()),
        other => other.to_string(),
    }
}

/// Edits between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
