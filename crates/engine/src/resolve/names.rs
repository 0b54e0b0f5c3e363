//! The name that Spark gives to a column without one: the expression, printed in its way.

use andiron_plan::spec::{DataType, Expr, Function, Literal, SortOrder};
use andiron_plan::types::sql_string;

/// The name of a select list's element.
pub(crate) fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Alias { names, .. } => names.first().cloned().unwrap_or_default(),
        // A cast column keeps its name.
        Expr::Cast { expr, .. } if matches!(expr.as_ref(), Expr::Attribute { .. } | Expr::Alias { .. }) => {
            column_name(expr)
        }
        Expr::Attribute { name, .. } => name.last().cloned().unwrap_or_default(),
        other => pretty(other),
    }
}

/// The operator of a function that is written between its arguments.
fn infix(name: &str) -> Option<&'static str> {
    Some(match name {
        "+" => "+",
        "-" => "-",
        "*" => "*",
        "/" => "/",
        "%" | "mod" => "%",
        "div" => "div",
        "==" | "=" => "=",
        "<=>" => "<=>",
        "<" => "<",
        "<=" => "<=",
        ">" => ">",
        ">=" => ">=",
        "and" => "AND",
        "or" => "OR",
        "&" => "&",
        "|" => "|",
        "^" => "^",
        _ => return None,
    })
}

/// An expression in Spark's words.
pub(crate) fn pretty(expr: &Expr) -> String {
    match expr {
        Expr::Literal(literal) => literal_text(literal),
        Expr::Attribute { name, .. } => name.join("."),
        Expr::Star { target, .. } if target.is_empty() => "*".to_owned(),
        Expr::Star { target, .. } => format!("{}.*", target.join(".")),
        Expr::Regex { pattern, .. } => pattern.clone(),
        Expr::Function(function) => function_text(function),
        Expr::Cast { expr, data_type, mode } => {
            let name = if *mode == andiron_plan::spec::CastMode::Try { "TRY_CAST" } else { "CAST" };
            format!("{name}({} AS {})", pretty(expr), cast_type(data_type))
        }
        Expr::Alias { expr, names, .. } => match names.as_slice() {
            [one] => format!("{} AS {one}", pretty(expr)),
            _ => pretty(expr),
        },
        Expr::SortOrder(order) => sort_text(order),
        Expr::Window(window) => {
            let mut text = format!("{} OVER (", pretty(&window.function));
            let mut parts = Vec::new();
            if !window.partition_by.is_empty() {
                parts.push(format!("PARTITION BY {}", list(&window.partition_by)));
            }
            if !window.order_by.is_empty() {
                parts
                    .push(format!("ORDER BY {}", window.order_by.iter().map(sort_text).collect::<Vec<_>>().join(", ")));
            }
            text.push_str(&parts.join(" "));
            text.push(')');
            text
        }
        Expr::ExtractValue { child, extraction } => match extraction.as_ref() {
            Expr::Literal(Literal::String(name)) => format!("{}.{name}", pretty(child)),
            other => format!("{}[{}]", pretty(child), pretty(other)),
        },
        Expr::UpdateFields { child, .. } => format!("update_fields({})", pretty(child)),
        Expr::Lambda { body, arguments } => {
            format!("lambdafunction({}, {})", pretty(body), arguments.join(", "))
        }
        Expr::LambdaVariable { name } => format!("namedlambdavariable({name})"),
        Expr::NamedArgument { value, .. } => pretty(value),
        Expr::PythonUdf(udf) => format!("{}({})", udf.name, list(&udf.arguments)),
        Expr::Case { operand, branches, otherwise } => {
            let mut text = "CASE".to_owned();
            for (condition, value) in branches {
                let condition = match operand {
                    Some(operand) => format!("({} = {})", pretty(operand), pretty(condition)),
                    None => pretty(condition),
                };
                text.push_str(&format!(" WHEN {condition} THEN {}", pretty(value)));
            }
            if let Some(otherwise) = otherwise {
                text.push_str(&format!(" ELSE {}", pretty(otherwise)));
            }
            text.push_str(" END");
            text
        }
        Expr::Subquery { .. } => "scalarsubquery()".to_owned(),
        Expr::Extension(_) => "extension".to_owned(),
    }
}

fn cast_type(data_type: &DataType) -> String {
    sql_string(data_type)
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(pretty).collect::<Vec<_>>().join(", ")
}

fn sort_text(order: &SortOrder) -> String {
    let direction = if order.ascending { "ASC" } else { "DESC" };
    let nulls = if order.nulls_first { "NULLS FIRST" } else { "NULLS LAST" };
    format!("{} {direction} {nulls}", pretty(&order.child))
}

fn function_text(function: &Function) -> String {
    let name = function.name.to_lowercase();
    let arguments = &function.arguments;
    match (name.as_str(), arguments.as_slice()) {
        ("negative" | "-", [one]) => format!("(- {})", pretty(one)),
        ("positive" | "+", [one]) => format!("(+ {})", pretty(one)),
        ("not" | "!", [one]) => match one {
            Expr::Function(inner) if matches!(inner.name.as_str(), "==" | "=") && inner.arguments.len() == 2 => {
                format!("(NOT {})", pretty(one))
            }
            _ => format!("(NOT {})", pretty(one)),
        },
        ("!=" | "<>", [a, b]) => format!("(NOT ({} = {}))", pretty(a), pretty(b)),
        ("~", [one]) => format!("~{}", pretty(one)),
        ("isnull", [one]) => format!("({} IS NULL)", pretty(one)),
        ("isnotnull", [one]) => format!("({} IS NOT NULL)", pretty(one)),
        ("in", [one, rest @ ..]) => format!("({} IN ({}))", pretty(one), list(rest)),
        ("like", [a, b]) => format!("{} LIKE {}", pretty(a), pretty(b)),
        ("rlike" | "regexp" | "regexp_like", [a, b]) => format!("RLIKE({}, {})", pretty(a), pretty(b)),
        ("between", [a, low, high]) => {
            format!("(({0} >= {1}) AND ({0} <= {2}))", pretty(a), pretty(low), pretty(high))
        }
        ("count", [] | [Expr::Star { .. }]) => "count(1)".to_owned(),
        ("when", branches) => {
            let mut text = "CASE".to_owned();
            for pair in branches.chunks(2) {
                match pair {
                    [condition, value] => text.push_str(&format!(" WHEN {} THEN {}", pretty(condition), pretty(value))),
                    [otherwise] => text.push_str(&format!(" ELSE {}", pretty(otherwise))),
                    _ => {}
                }
            }
            text.push_str(" END");
            text
        }
        // The schema and the options of the format functions are not among what is printed.
        ("from_json", [value, ..]) => format!("from_json({})", pretty(value)),
        ("to_json", [value, ..]) => format!("to_json({})", pretty(value)),
        ("struct", fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|f| match f {
                    Expr::Alias { expr, names, .. } => format!("{} AS {}", pretty(expr), names.join(", ")),
                    other => pretty(other),
                })
                .collect();
            format!("struct({})", fields.join(", "))
        }
        (name, [a, b]) if infix(name).is_some() => {
            format!("({} {} {})", pretty(a), infix(name).unwrap_or_default(), pretty(b))
        }
        (_, arguments) => {
            let distinct = if function.is_distinct { "DISTINCT " } else { "" };
            let shown = match name.as_str() {
                "create_map" => "map",
                "mean" => "avg",
                other => other,
            };
            format!("{shown}({distinct}{})", list(arguments))
        }
    }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null(_) => "NULL".to_owned(),
        Literal::Boolean(value) => value.to_string(),
        Literal::Byte(value) => value.to_string(),
        Literal::Short(value) => value.to_string(),
        Literal::Integer(value) => value.to_string(),
        Literal::Long(value) => value.to_string(),
        Literal::Float(value) => {
            let mut text = String::new();
            crate::number::write_float(&mut text, *value);
            text
        }
        Literal::Double(value) => {
            let mut text = String::new();
            crate::number::write_double(&mut text, *value);
            text
        }
        Literal::Decimal { unscaled, scale, .. } => {
            let mut text = String::new();
            crate::number::write_decimal(&mut text, *unscaled, *scale);
            text
        }
        Literal::String(text) | Literal::TimestampText(text) => text.clone(),
        Literal::Binary(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02X}")).collect();
            format!("X'{hex}'")
        }
        Literal::Date(days) => {
            let mut text = "DATE '".to_owned();
            crate::datetime::write_date(&mut text, i64::from(*days));
            text.push('\'');
            text
        }
        Literal::Timestamp(us) | Literal::TimestampNtz(us) => {
            let mut text = "TIMESTAMP '".to_owned();
            crate::datetime::write_local_timestamp(&mut text, *us);
            text.push('\'');
            text
        }
        Literal::Array { elements, .. } => {
            format!("array({})", elements.iter().map(literal_text).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
