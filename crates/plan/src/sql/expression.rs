//! Expressions of SQL text.

use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, CeilFloorKind, DuplicateTreatment, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, NullTreatment, SelectItem, SelectItemQualifiedWildcardKind, Subscript,
    TrimWhereField, UnaryOperator, Value, WildcardAdditionalOptions, WindowFrameBound, WindowFrameUnits, WindowType,
};

use super::{Lower, interval, parse::SUFFIXED};
use crate::{
    PlanError,
    connect::parse_decimal,
    spec::{
        CastMode, DataType, Expr, FrameBound, Function, Literal, NameParts, SortOrder, StructField, SubqueryKind,
        SubqueryRef, Window, WindowFrame,
    },
    types,
};

type Lowered = Result<Expr, PlanError>;

fn string(text: impl Into<String>) -> Expr {
    Expr::Literal(Literal::String(text.into()))
}

fn not(expr: Expr) -> Expr {
    Expr::function("not", vec![expr])
}

fn not_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
}

impl Lower<'_> {
    pub(super) fn select_item(&mut self, item: &SelectItem) -> Lowered {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expr(expr),
            SelectItem::ExprWithAlias { expr, alias } => Ok(self.expr(expr)?.alias(alias.value.clone())),
            SelectItem::ExprWithAliases { expr, aliases } => Ok(Expr::Alias {
                expr: Box::new(self.expr(expr)?),
                names: aliases.iter().map(|alias| alias.value.clone()).collect(),
                metadata: None,
            }),
            SelectItem::Wildcard(options) => {
                Ok(Expr::Star { target: Vec::new(), plan_id: None, except: except(options)? })
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                Ok(Expr::Star { target: object_name(name)?, plan_id: None, except: except(options)? })
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                Err(PlanError::unsupported(format!("{expr}.*")))
            }
        }
    }

    pub(super) fn exprs(&mut self, exprs: &[ast::Expr]) -> Result<Vec<Expr>, PlanError> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Lowered {
        self.depth.enter()?;
        let lowered = crate::with_stack(|| self.expr_here(expr))?;
        self.depth.leave();
        Ok(lowered)
    }

    fn boxed(&mut self, expr: &ast::Expr) -> Result<Box<Expr>, PlanError> {
        Ok(Box::new(self.expr(expr)?))
    }

    fn call(&mut self, name: &str, arguments: &[&ast::Expr]) -> Lowered {
        let arguments = arguments.iter().map(|argument| self.expr(argument)).collect::<Result<_, _>>()?;
        Ok(Expr::function(name, arguments))
    }

    fn expr_here(&mut self, expr: &ast::Expr) -> Lowered {
        use ast::Expr as E;
        Ok(match expr {
            E::Identifier(ident) => self.name(vec![ident.value.clone()]),
            E::CompoundIdentifier(idents) => self.name(idents.iter().map(|ident| ident.value.clone()).collect()),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain)?,
            E::IsNull(e) => self.call("isnull", &[e])?,
            E::IsNotNull(e) => self.call("isnotnull", &[e])?,
            E::IsUnknown(e) => self.call("isnull", &[e])?,
            E::IsNotUnknown(e) => self.call("isnotnull", &[e])?,
            E::IsTrue(e) => self.is(e, true)?,
            E::IsFalse(e) => self.is(e, false)?,
            E::IsNotTrue(e) => not(self.is(e, true)?),
            E::IsNotFalse(e) => not(self.is(e, false)?),
            E::IsDistinctFrom(a, b) => not(self.call("<=>", &[a, b])?),
            E::IsNotDistinctFrom(a, b) => self.call("<=>", &[a, b])?,
            E::InList { expr, list, negated } => {
                let mut arguments = vec![self.expr(expr)?];
                arguments.extend(self.exprs(list)?);
                not_if(*negated, Expr::function("in", arguments))
            }
            E::InSubquery { expr, subquery, negated } => {
                let values = match &**expr {
                    E::Tuple(values) => self.exprs(values)?,
                    value => vec![self.expr(value)?],
                };
                let query = SubqueryRef::Relation(Box::new(self.query(subquery)?));
                Expr::Subquery { kind: SubqueryKind::In { values, negated: *negated }, query }
            }
            E::Between { expr, negated, low, high } => {
                let above = self.call(">=", &[expr, low])?;
                let below = self.call("<=", &[expr, high])?;
                not_if(*negated, Expr::function("and", vec![above, below]))
            }
            E::BinaryOp { left, op, right } => self.binary(left, op, right)?,
            E::Like { negated, any: false, expr, pattern, escape_char } => {
                not_if(*negated, self.like("like", expr, pattern, escape_char.as_ref())?)
            }
            E::ILike { negated, any: false, expr, pattern, escape_char } => {
                not_if(*negated, self.like("ilike", expr, pattern, escape_char.as_ref())?)
            }
            E::RLike { negated, expr, pattern, .. } => not_if(*negated, self.call("rlike", &[expr, pattern])?),
            E::UnaryOp { op, expr } => self.unary(*op, expr)?,
            E::Cast { kind, expr, data_type, format: None, .. } => Expr::Cast {
                expr: self.boxed(expr)?,
                data_type: data_type_of(data_type)?,
                mode: match kind {
                    ast::CastKind::Cast | ast::CastKind::DoubleColon => CastMode::Session,
                    ast::CastKind::TryCast | ast::CastKind::SafeCast => CastMode::Try,
                },
            },
            E::Extract { field, expr, .. } => {
                Expr::function("date_part", vec![string(field.to_string()), self.expr(expr)?])
            }
            E::Ceil { expr, field } => self.rounded("ceil", expr, field)?,
            E::Floor { expr, field } => self.rounded("floor", expr, field)?,
            E::Position { expr, r#in } => self.call("position", &[expr, r#in])?,
            E::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![&**expr];
                arguments.extend(substring_from.as_deref());
                arguments.extend(substring_for.as_deref());
                self.call("substring", &arguments)?
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                self.trim(*trim_where, trim_what.as_deref(), expr, trim_characters.as_deref())?
            }
            E::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut arguments = vec![&**expr, &**overlay_what, &**overlay_from];
                arguments.extend(overlay_for.as_deref());
                self.call("overlay", &arguments)?
            }
            E::Nested(inner) => self.expr(inner)?,
            E::Value(value) => self.value(&value.value)?,
            E::TypedString(typed) => self.typed_string(typed)?,
            E::Function(function) => self.function(function)?,
            E::Case { operand, conditions, else_result, .. } => Expr::Case {
                operand: match operand {
                    Some(operand) => Some(self.boxed(operand)?),
                    None => None,
                },
                branches: conditions
                    .iter()
                    .map(|when| Ok((self.expr(&when.condition)?, self.expr(&when.result)?)))
                    .collect::<Result<_, PlanError>>()?,
                otherwise: match else_result {
                    Some(otherwise) => Some(self.boxed(otherwise)?),
                    None => None,
                },
            },
            E::Exists { subquery, negated } => Expr::Subquery {
                kind: SubqueryKind::Exists { negated: *negated },
                query: SubqueryRef::Relation(Box::new(self.query(subquery)?)),
            },
            E::Subquery(subquery) => Expr::Subquery {
                kind: SubqueryKind::Scalar,
                query: SubqueryRef::Relation(Box::new(self.query(subquery)?)),
            },
            E::Tuple(values) => Expr::function("struct", self.exprs(values)?),
            E::Struct { values, .. } => Expr::function("struct", self.exprs(values)?),
            E::Named { expr, name } => self.expr(expr)?.alias(name.value.clone()),
            E::Array(array) => Expr::function("array", self.exprs(&array.elem)?),
            E::Interval(interval) => self.interval(interval)?,
            E::Wildcard(_) => Expr::Star { target: Vec::new(), plan_id: None, except: Vec::new() },
            E::QualifiedWildcard(name, _) => {
                Expr::Star { target: object_name(name)?, plan_id: None, except: Vec::new() }
            }
            E::Lambda(lambda) => self.lambda(lambda)?,
            other => return Err(PlanError::unsupported(format!("the expression {}", shortened(&other.to_string())))),
        })
    }

    /// A column, or what a lambda binds.
    fn name(&self, mut name: NameParts) -> Expr {
        match name.first() {
            Some(first) if self.lambda_names.iter().any(|bound| bound.eq_ignore_ascii_case(first)) => {
                let fields = name.split_off(1);
                let variable = Expr::LambdaVariable { name: name.swap_remove(0) };
                fields.into_iter().fold(variable, |child, field| Expr::ExtractValue {
                    child: Box::new(child),
                    extraction: Box::new(string(field)),
                })
            }
            _ => Expr::attribute(name),
        }
    }

    fn access(&mut self, root: &ast::Expr, chain: &[AccessExpr]) -> Lowered {
        let mut expr = self.expr(root)?;
        for access in chain {
            let extraction = match access {
                AccessExpr::Dot(ast::Expr::Identifier(field)) => {
                    // `a.b` keeps its parts together: which of them is a table's name is not known yet.
                    if let Expr::Attribute { name, .. } = &mut expr {
                        name.push(field.value.clone());
                        continue;
                    }
                    string(field.value.clone())
                }
                AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index)?,
                other => return Err(PlanError::unsupported(format!("access by {other}"))),
            };
            self.depth.enter()?;
            expr = Expr::ExtractValue { child: Box::new(expr), extraction: Box::new(extraction) };
        }
        for access in chain {
            if !matches!(access, AccessExpr::Dot(_)) {
                self.depth.leave();
            }
        }
        Ok(expr)
    }

    fn is(&mut self, expr: &ast::Expr, value: bool) -> Lowered {
        Ok(Expr::function("<=>", vec![self.expr(expr)?, Expr::Literal(Literal::Boolean(value))]))
    }

    fn like(
        &mut self,
        name: &str,
        expr: &ast::Expr,
        pattern: &ast::Expr,
        escape: Option<&ast::ValueWithSpan>,
    ) -> Lowered {
        let mut arguments = vec![self.expr(expr)?, self.expr(pattern)?];
        if let Some(escape) = escape {
            arguments.push(self.value(&escape.value)?);
        }
        Ok(Expr::function(name, arguments))
    }

    fn binary(&mut self, left: &ast::Expr, op: &BinaryOperator, right: &ast::Expr) -> Lowered {
        let name = match op {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "concat",
            BinaryOperator::Gt => ">",
            BinaryOperator::Lt => "<",
            BinaryOperator::GtEq => ">=",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Spaceship => "<=>",
            BinaryOperator::Eq => "==",
            BinaryOperator::NotEq => return Ok(not(self.call("==", &[left, right])?)),
            BinaryOperator::And => "and",
            BinaryOperator::Or => "or",
            BinaryOperator::BitwiseOr => "|",
            BinaryOperator::BitwiseAnd => "&",
            BinaryOperator::BitwiseXor => "^",
            BinaryOperator::PGBitwiseShiftLeft => "shiftleft",
            BinaryOperator::PGBitwiseShiftRight => "shiftright",
            BinaryOperator::MyIntegerDivide => "div",
            other => return Err(PlanError::unsupported(format!("the operator {other}"))),
        };
        self.call(name, &[left, right])
    }

    fn unary(&mut self, op: UnaryOperator, expr: &ast::Expr) -> Lowered {
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => self.call("not", &[expr]),
            UnaryOperator::BitwiseNot => self.call("~", &[expr]),
            UnaryOperator::Plus => self.call("positive", &[expr]),
            UnaryOperator::Minus => match expr {
                // The sign is part of the number: -9223372036854775808 is a BIGINT.
                ast::Expr::Value(ast::ValueWithSpan { value: Value::Number(text, is_long), .. }) => {
                    number(&format!("-{text}"), *is_long)
                }
                _ => self.call("negative", &[expr]),
            },
            other => Err(PlanError::unsupported(format!("the operator {other}"))),
        }
    }

    fn rounded(&mut self, name: &str, expr: &ast::Expr, field: &CeilFloorKind) -> Lowered {
        let mut arguments = vec![self.expr(expr)?];
        match field {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {}
            CeilFloorKind::Scale(scale) => arguments.push(self.value(&scale.value)?),
            CeilFloorKind::DateTimeField(field) => return Err(PlanError::unsupported(format!("{name} TO {field}"))),
        }
        Ok(Expr::function(name, arguments))
    }

    fn trim(
        &mut self,
        place: Option<TrimWhereField>,
        what: Option<&ast::Expr>,
        expr: &ast::Expr,
        characters: Option<&[ast::Expr]>,
    ) -> Lowered {
        let what = what.or(characters.and_then(<[_]>::first));
        match (place, what) {
            (None | Some(TrimWhereField::Both), None) => self.call("trim", &[expr]),
            (None | Some(TrimWhereField::Both), Some(what)) => self.call("btrim", &[expr, what]),
            (Some(TrimWhereField::Leading), None) => self.call("ltrim", &[expr]),
            (Some(TrimWhereField::Leading), Some(what)) => self.call("ltrim", &[what, expr]),
            (Some(TrimWhereField::Trailing), None) => self.call("rtrim", &[expr]),
            (Some(TrimWhereField::Trailing), Some(what)) => self.call("rtrim", &[what, expr]),
        }
    }

    fn value(&mut self, value: &Value) -> Lowered {
        Ok(match value {
            Value::Number(text, is_long) => number(text, *is_long)?,
            Value::SingleQuotedString(text)
            | Value::DoubleQuotedString(text)
            | Value::SingleQuotedRawStringLiteral(text)
            | Value::DoubleQuotedRawStringLiteral(text) => string(text.clone()),
            Value::HexStringLiteral(hex) => Expr::Literal(Literal::Binary(unhex(hex)?.into())),
            Value::Boolean(value) => Expr::Literal(Literal::Boolean(*value)),
            Value::Null => Expr::Literal(Literal::Null(DataType::Null)),
            Value::Placeholder(text) => match text.strip_prefix(SUFFIXED) {
                Some(number) => suffixed(number)?,
                None => self.parameter(text)?,
            },
            other => return Err(PlanError::unsupported(format!("the literal {other}"))),
        })
    }

    fn parameter(&mut self, text: &str) -> Lowered {
        let found = if text == "?" {
            self.positions += 1;
            self.parameters.positional.get(self.positions - 1)
        } else {
            let name = text.trim_start_matches([':', '$', '@']);
            self.parameters.named.iter().find(|(key, _)| key == name).map(|(_, value)| value)
        };
        found
            .cloned()
            .ok_or_else(|| PlanError::UnboundParameter { name: format!("`{}`", text.trim_start_matches(':')) })
    }

    fn typed_string(&mut self, typed: &ast::TypedString) -> Lowered {
        let (Value::SingleQuotedString(text) | Value::DoubleQuotedString(text)) = &typed.value.value else {
            return Err(PlanError::unsupported(format!("the literal {typed}")));
        };
        // A literal that is wrong is an error whatever the session's mode.
        Ok(Expr::Cast {
            expr: Box::new(string(text.clone())),
            data_type: data_type_of(&typed.data_type)?,
            mode: CastMode::Ansi,
        })
    }

    fn interval(&mut self, interval: &ast::Interval) -> Lowered {
        let value = match &*interval.value {
            ast::Expr::Value(ast::ValueWithSpan {
                value: Value::Number(text, _) | Value::SingleQuotedString(text) | Value::DoubleQuotedString(text),
                ..
            }) => Some(text.clone()),
            ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Some(format!("-{expr}")),
            _ => None,
        };
        let literal = value.and_then(|value| match (&interval.leading_field, &interval.last_field) {
            (None, _) => interval::literal(&value),
            (Some(unit), None) => interval::of_unit(&value, &unit.to_string()),
            (Some(from), Some(to)) => interval::of_range(&value, &from.to_string(), &to.to_string()),
        });
        literal.map(Expr::Literal).ok_or_else(|| PlanError::TypedLiteral {
            type_name: "\"INTERVAL\"".to_owned(),
            value: interval.to_string(),
        })
    }

    fn lambda(&mut self, lambda: &ast::LambdaFunction) -> Lowered {
        let arguments: Vec<String> = match &lambda.params {
            ast::OneOrManyWithParens::One(parameter) => vec![parameter.name.value.clone()],
            ast::OneOrManyWithParens::Many(parameters) => parameters.iter().map(|p| p.name.value.clone()).collect(),
        };
        let outer = self.lambda_names.len();
        self.lambda_names.extend(arguments.iter().cloned());
        let body = self.boxed(&lambda.body);
        self.lambda_names.truncate(outer);
        Ok(Expr::Lambda { body: body?, arguments })
    }

    fn function(&mut self, function: &ast::Function) -> Lowered {
        let mut lowered = Function {
            name: object_name(&function.name)?.join(".").to_lowercase(),
            arguments: Vec::new(),
            is_distinct: false,
            is_user_defined: false,
            is_internal: false,
            filter: None,
            ignore_nulls: false,
        };
        let mut ignore_nulls = function.null_treatment == Some(NullTreatment::IgnoreNulls);
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => {
                return Err(PlanError::unsupported(format!("a subquery as argument of {}", lowered.name)));
            }
            FunctionArguments::List(list) => {
                lowered.is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
                for argument in &list.args {
                    lowered.arguments.push(self.argument(argument)?);
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::IgnoreOrRespectNulls(nulls) => {
                            ignore_nulls = *nulls == NullTreatment::IgnoreNulls;
                        }
                        other => return Err(PlanError::unsupported(format!("{} within {}", other, lowered.name))),
                    }
                }
            }
        }
        if !function.within_group.is_empty() {
            return Err(PlanError::unsupported("WITHIN GROUP"));
        }
        lowered.ignore_nulls = ignore_nulls;
        if let Some(filter) = &function.filter {
            lowered.filter = Some(self.boxed(filter)?);
        }
        let call = Expr::Function(lowered);
        match &function.over {
            None => Ok(call),
            Some(WindowType::WindowSpec(spec)) => self.window(call, spec),
            Some(WindowType::NamedWindow(name)) => {
                let found = self.windows.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name.value));
                let Some((_, spec)) = found.cloned() else {
                    return Err(PlanError::unsupported(format!("the undefined window {name}")));
                };
                self.window(call, &spec)
            }
        }
    }

    pub(super) fn argument(&mut self, argument: &FunctionArg) -> Lowered {
        let (name, value) = match argument {
            FunctionArg::Unnamed(value) => (None, value),
            FunctionArg::Named { name, arg, .. } => (Some(name.value.clone()), arg),
            FunctionArg::ExprNamed { name, arg, .. } => (Some(name.to_string()), arg),
        };
        let value = match value {
            FunctionArgExpr::Expr(expr) => self.expr(expr)?,
            FunctionArgExpr::QualifiedWildcard(target) => {
                Expr::Star { target: object_name(target)?, plan_id: None, except: Vec::new() }
            }
            FunctionArgExpr::Wildcard => Expr::Star { target: Vec::new(), plan_id: None, except: Vec::new() },
            FunctionArgExpr::WildcardWithOptions(options) => {
                Expr::Star { target: Vec::new(), plan_id: None, except: except(options)? }
            }
        };
        Ok(match name {
            Some(name) => Expr::NamedArgument { name, value: Box::new(value) },
            None => value,
        })
    }

    fn window(&mut self, function: Expr, spec: &ast::WindowSpec) -> Lowered {
        if let Some(name) = &spec.window_name {
            return Err(PlanError::unsupported(format!("a window based on {name}")));
        }
        let frame = match &spec.window_frame {
            None => None,
            Some(frame) => Some(WindowFrame {
                is_rows: match frame.units {
                    WindowFrameUnits::Rows => true,
                    WindowFrameUnits::Range => false,
                    WindowFrameUnits::Groups => return Err(PlanError::unsupported("GROUPS in a window")),
                },
                lower: self.bound(&frame.start_bound)?,
                upper: match &frame.end_bound {
                    Some(bound) => self.bound(bound)?,
                    None => FrameBound::CurrentRow,
                },
            }),
        };
        Ok(Expr::Window(Box::new(Window {
            function,
            partition_by: self.exprs(&spec.partition_by)?,
            order_by: self.orders(&spec.order_by)?,
            frame,
        })))
    }

    fn bound(&mut self, bound: &WindowFrameBound) -> Result<FrameBound, PlanError> {
        Ok(match bound {
            WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
            WindowFrameBound::Preceding(None) | WindowFrameBound::Following(None) => FrameBound::Unbounded,
            WindowFrameBound::Following(Some(distance)) => FrameBound::Value(self.expr(distance)?),
            WindowFrameBound::Preceding(Some(distance)) => FrameBound::Value(match self.expr(distance)? {
                Expr::Literal(Literal::Integer(rows)) => Expr::Literal(Literal::Integer(-rows)),
                Expr::Literal(Literal::Long(rows)) => Expr::Literal(Literal::Long(-rows)),
                other => Expr::function("negative", vec![other]),
            }),
        })
    }

    pub(super) fn orders(&mut self, orders: &[ast::OrderByExpr]) -> Result<Vec<SortOrder>, PlanError> {
        orders
            .iter()
            .map(|order| {
                let ascending = order.options.asc.unwrap_or(true);
                Ok(SortOrder {
                    child: self.expr(&order.expr)?,
                    ascending,
                    nulls_first: order.options.nulls_first.unwrap_or(ascending),
                })
            })
            .collect()
    }
}

/// `* EXCEPT (a, b)`.
fn except(options: &WildcardAdditionalOptions) -> Result<Vec<NameParts>, PlanError> {
    if options.opt_ilike.is_some() || options.opt_replace.is_some() || options.opt_rename.is_some() {
        return Err(PlanError::unsupported(format!("*{options}")));
    }
    Ok(options.opt_except.as_ref().map_or_else(Vec::new, |except| {
        std::iter::once(&except.first_element)
            .chain(&except.additional_elements)
            .map(|ident| vec![ident.value.clone()])
            .collect()
    }))
}

pub(super) fn object_name(name: &ast::ObjectName) -> Result<NameParts, PlanError> {
    name.0
        .iter()
        .map(|part| match part {
            ast::ObjectNamePart::Identifier(ident) => Ok(ident.value.clone()),
            ast::ObjectNamePart::Function(_) => Err(PlanError::unsupported("a function as a part of a name")),
        })
        .collect()
}

/// sqlparser's types and ours have a form in common, SQL, but for maps and what may hold one.
pub(super) fn data_type_of(data_type: &ast::DataType) -> Result<DataType, PlanError> {
    Ok(match data_type {
        ast::DataType::Map(key, value) => DataType::map(data_type_of(key)?, data_type_of(value)?, true),
        ast::DataType::Array(ast::ArrayElemTypeDef::AngleBracket(element)) => {
            DataType::array(data_type_of(element)?, true)
        }
        ast::DataType::Struct(fields, _) => DataType::structure(
            fields
                .iter()
                .map(|field| {
                    let Some(name) = &field.field_name else {
                        return Err(PlanError::unsupported("a struct's field without a name"));
                    };
                    Ok(StructField::new(name.value.clone(), data_type_of(&field.field_type)?, true))
                })
                .collect::<Result<Vec<_>, PlanError>>()?,
        ),
        other => types::ddl::single_type(&other.to_string())?,
    })
}

fn number(text: &str, is_long: bool) -> Lowered {
    let literal = if is_long {
        text.parse().ok().map(Literal::Long)
    } else if let Ok(value) = text.parse::<i32>() {
        Some(Literal::Integer(value))
    } else if let Ok(value) = text.parse::<i64>() {
        Some(Literal::Long(value))
    } else if text.contains(['e', 'E']) {
        text.parse().ok().map(Literal::Double)
    } else {
        parse_decimal(text, None)
    };
    literal.map(Expr::Literal).ok_or_else(|| invalid_number(text))
}

fn invalid_number(text: &str) -> PlanError {
    PlanError::TypedLiteral { type_name: "\"DECIMAL\"".to_owned(), value: text.to_owned() }
}

/// `1.5D`, `7S` and so on.
fn suffixed(text: &str) -> Lowered {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let literal = match &text[digits.len()..] {
        "D" => digits.parse().ok().map(Literal::Double),
        "F" => digits.parse().ok().map(Literal::Float),
        "S" => digits.parse().ok().map(Literal::Short),
        "Y" => digits.parse().ok().map(Literal::Byte),
        _ => parse_decimal(digits, None),
    };
    literal.map(Expr::Literal).ok_or_else(|| invalid_number(text))
}

fn unhex(text: &str) -> Result<Vec<u8>, PlanError> {
    let error = || PlanError::TypedLiteral { type_name: "\"X\"".to_owned(), value: format!("'{text}'") };
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    padded
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(error))
        .collect()
}

/// A text short enough for a message.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    if text.chars().count() > CHARS_MAX {
        format!("{}...", text.chars().take(CHARS_MAX).collect::<String>())
    } else {
        text.to_owned()
    }
}
