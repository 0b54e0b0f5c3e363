//! Dotted names.

use crate::{PlanError, spec::NameParts};

/// A dotted name: ``a.`b.c`.d`` is `a`, `b.c`, `d`.
pub fn name_parts(text: &str) -> Result<NameParts, PlanError> {
    let error = || PlanError::AttributeName { name: text.to_owned() };
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut chars = text.chars().peekable();
    // After a part in back quotes only a dot or the end may come.
    let mut closed = false;
    while let Some(c) = chars.next() {
        match c {
            '`' if part.is_empty() && !closed => {
                loop {
                    match chars.next().ok_or_else(error)? {
                        '`' if chars.next_if_eq(&'`').is_some() => part.push('`'),
                        '`' => break,
                        c => part.push(c),
                    }
                }
                closed = true;
            }
            '.' => {
                if (part.is_empty() && !closed) || chars.peek().is_none() {
                    return Err(error());
                }
                parts.push(std::mem::take(&mut part));
                closed = false;
            }
            '`' => return Err(error()),
            _ if closed => return Err(error()),
            c => part.push(c),
        }
    }
    parts.push(part);
    Ok(parts)
}
