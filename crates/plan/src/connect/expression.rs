//! Expressions on the wire of Spark Connect.

use spark_connect_proto::{
    self as proto,
    common_inline_user_defined_function::Function as UdfKind,
    expression::{self as message, ExprType, cast::CastToType, window::window_frame},
    subquery_expression::SubqueryType,
};

use super::{Lower, required, types::data_type_from_proto};
use crate::{
    PlanError,
    spec::{
        CastMode, Expr, Extension, FrameBound, Function, MergeAction, MergeActionKind, NamedExpr, PythonUdf, SortOrder,
        SubqueryKind, SubqueryRef, Window, WindowFrame,
    },
    sql, types,
};

impl Lower<'_> {
    pub(super) fn expression(&mut self, message: &proto::Expression) -> Result<Expr, PlanError> {
        self.depth.enter()?;
        let expr = crate::with_stack(|| self.expression_here(message))?;
        self.depth.leave();
        Ok(expr)
    }

    pub(super) fn expressions(&mut self, messages: &[proto::Expression]) -> Result<Vec<Expr>, PlanError> {
        messages.iter().map(|message| self.expression(message)).collect()
    }

    pub(super) fn boxed(
        &mut self,
        message: Option<&proto::Expression>,
        what: &'static str,
    ) -> Result<Box<Expr>, PlanError> {
        Ok(Box::new(self.expression(required(message, what)?)?))
    }

    fn expression_here(&mut self, message: &proto::Expression) -> Result<Expr, PlanError> {
        Ok(match required(message.expr_type.as_ref(), "an expression's kind")? {
            ExprType::Literal(literal) => Expr::Literal(self.literal(literal)?),
            ExprType::UnresolvedAttribute(attribute) => Expr::Attribute {
                name: sql::name_parts(&attribute.unparsed_identifier)?,
                plan_id: attribute.plan_id,
                is_metadata: attribute.is_metadata_column.unwrap_or(false),
            },
            ExprType::UnresolvedFunction(function) => self.function(function)?,
            ExprType::ExpressionString(text) => sql::expression(&text.expression)?,
            ExprType::UnresolvedStar(star) => Expr::Star {
                target: match &star.unparsed_target {
                    Some(target) => sql::name_parts(target.strip_suffix(".*").unwrap_or(target))?,
                    None => Vec::new(),
                },
                plan_id: star.plan_id,
                except: Vec::new(),
            },
            ExprType::Alias(alias) => {
                if alias.name.is_empty() {
                    return Err(PlanError::invalid("an alias without a name"));
                }
                Expr::Alias {
                    expr: self.boxed(alias.expr.as_deref(), "what an alias names")?,
                    names: alias.name.clone(),
                    metadata: alias.metadata.clone(),
                }
            }
            ExprType::Cast(cast) => self.cast(cast)?,
            ExprType::UnresolvedRegex(regex) => {
                let pattern = regex.col_name.trim();
                let pattern = pattern.strip_prefix('`').and_then(|p| p.strip_suffix('`')).unwrap_or(pattern);
                Expr::Regex { pattern: pattern.to_owned(), plan_id: regex.plan_id }
            }
            ExprType::SortOrder(order) => Expr::SortOrder(Box::new(self.sort_order(order)?)),
            ExprType::LambdaFunction(lambda) => Expr::Lambda {
                body: self.boxed(lambda.function.as_deref(), "a lambda's body")?,
                arguments: lambda.arguments.iter().map(|argument| argument.name_parts.join(".")).collect(),
            },
            ExprType::UnresolvedNamedLambdaVariable(variable) => {
                Expr::LambdaVariable { name: variable.name_parts.join(".") }
            }
            ExprType::Window(window) => self.window(window)?,
            ExprType::UnresolvedExtractValue(extract) => Expr::ExtractValue {
                child: self.boxed(extract.child.as_deref(), "what a value is taken from")?,
                extraction: self.boxed(extract.extraction.as_deref(), "which value is taken")?,
            },
            ExprType::UpdateFields(update) => Expr::UpdateFields {
                child: self.boxed(update.struct_expression.as_deref(), "the struct to be updated")?,
                field: update.field_name.clone(),
                value: match update.value_expression.as_deref() {
                    Some(value) => Some(Box::new(self.expression(value)?)),
                    None => None,
                },
            },
            ExprType::CommonInlineUserDefinedFunction(udf) => Expr::PythonUdf(Box::new(self.python_udf(udf)?)),
            ExprType::CallFunction(call) => {
                let name = sql::name_parts(&call.function_name)?.join(".");
                Expr::function(name, self.expressions(&call.arguments)?)
            }
            ExprType::NamedArgumentExpression(argument) => Expr::NamedArgument {
                name: argument.key.clone(),
                value: self.boxed(argument.value.as_deref(), "a named argument's value")?,
            },
            ExprType::SubqueryExpression(subquery) => self.subquery(subquery)?,
            ExprType::Extension(any) => {
                Expr::Extension(Extension { type_url: any.type_url.clone(), value: any.value.clone().into() })
            }
            ExprType::MergeAction(_) => return Err(PlanError::invalid("a merge action outside of a merge")),
            ExprType::TypedAggregateExpression(_) => return Err(PlanError::unsupported("Scala typed aggregates")),
            ExprType::DirectShufflePartitionId(_) => return Err(PlanError::unsupported("DirectShufflePartitionID")),
        })
    }

    fn function(&mut self, function: &message::UnresolvedFunction) -> Result<Expr, PlanError> {
        let mut arguments = self.expressions(&function.arguments)?;
        // `F.when(..)` is CASE under another name: conditions and values in turn, then the rest.
        if function.function_name.eq_ignore_ascii_case("when") && arguments.len() >= 2 {
            let otherwise = if arguments.len() % 2 == 1 { arguments.pop().map(Box::new) } else { None };
            let mut branches = Vec::with_capacity(arguments.len() / 2);
            let mut arguments = arguments.into_iter();
            while let (Some(condition), Some(value)) = (arguments.next(), arguments.next()) {
                branches.push((condition, value));
            }
            return Ok(Expr::Case { operand: None, branches, otherwise });
        }
        Ok(Expr::Function(Function {
            name: if function.is_user_defined_function {
                function.function_name.clone()
            } else {
                function.function_name.to_lowercase()
            },
            arguments,
            is_distinct: function.is_distinct,
            is_user_defined: function.is_user_defined_function,
            is_internal: function.is_internal.unwrap_or(false),
            filter: None,
            ignore_nulls: false,
        }))
    }

    fn cast(&mut self, cast: &message::Cast) -> Result<Expr, PlanError> {
        use message::cast::EvalMode;
        Ok(Expr::Cast {
            expr: self.boxed(cast.expr.as_deref(), "what a cast converts")?,
            data_type: match required(cast.cast_to_type.as_ref(), "a cast's type")? {
                CastToType::Type(data_type) => data_type_from_proto(data_type)?,
                CastToType::TypeStr(text) => types::ddl::single_type(text)?,
            },
            mode: match EvalMode::try_from(cast.eval_mode).unwrap_or(EvalMode::Unspecified) {
                EvalMode::Unspecified => CastMode::Session,
                EvalMode::Legacy => CastMode::Legacy,
                EvalMode::Ansi => CastMode::Ansi,
                EvalMode::Try => CastMode::Try,
            },
        })
    }

    pub(super) fn sort_order(&mut self, order: &message::SortOrder) -> Result<SortOrder, PlanError> {
        use message::sort_order::{NullOrdering, SortDirection};
        let ascending = SortDirection::try_from(order.direction) != Ok(SortDirection::Descending);
        Ok(SortOrder {
            child: self.expression(required(order.child.as_deref(), "what is sorted by")?)?,
            ascending,
            nulls_first: match NullOrdering::try_from(order.null_ordering) {
                Ok(NullOrdering::SortNullsFirst) => true,
                Ok(NullOrdering::SortNullsLast) => false,
                _ => ascending,
            },
        })
    }

    pub(super) fn sort_orders(&mut self, orders: &[message::SortOrder]) -> Result<Vec<SortOrder>, PlanError> {
        orders.iter().map(|order| self.sort_order(order)).collect()
    }

    fn window(&mut self, window: &message::Window) -> Result<Expr, PlanError> {
        let frame = match window.frame_spec.as_deref() {
            None => None,
            Some(frame) => Some(WindowFrame {
                is_rows: window_frame::FrameType::try_from(frame.frame_type) == Ok(window_frame::FrameType::Row),
                lower: self.frame_bound(frame.lower.as_deref())?,
                upper: self.frame_bound(frame.upper.as_deref())?,
            }),
        };
        Ok(Expr::Window(Box::new(Window {
            function: self.expression(required(window.window_function.as_deref(), "a window's function")?)?,
            partition_by: self.expressions(&window.partition_spec)?,
            order_by: self.sort_orders(&window.order_spec)?,
            frame,
        })))
    }

    fn frame_bound(&mut self, bound: Option<&window_frame::FrameBoundary>) -> Result<FrameBound, PlanError> {
        use window_frame::frame_boundary::Boundary;
        Ok(match required(bound.and_then(|bound| bound.boundary.as_ref()), "a window's bound")? {
            Boundary::CurrentRow(_) => FrameBound::CurrentRow,
            Boundary::Unbounded(_) => FrameBound::Unbounded,
            Boundary::Value(value) => FrameBound::Value(self.expression(value)?),
        })
    }

    fn subquery(&mut self, subquery: &proto::SubqueryExpression) -> Result<Expr, PlanError> {
        let kind = match SubqueryType::try_from(subquery.subquery_type) {
            Ok(SubqueryType::Scalar) => SubqueryKind::Scalar,
            Ok(SubqueryType::Exists) => SubqueryKind::Exists { negated: false },
            Ok(SubqueryType::In) => {
                SubqueryKind::In { values: self.expressions(&subquery.in_subquery_values)?, negated: false }
            }
            Ok(SubqueryType::TableArg) => SubqueryKind::TableArgument,
            _ => return Err(PlanError::invalid("a subquery of an unknown kind")),
        };
        Ok(Expr::Subquery { kind, query: SubqueryRef::PlanId(subquery.plan_id) })
    }

    pub(super) fn python_udf(&mut self, udf: &proto::CommonInlineUserDefinedFunction) -> Result<PythonUdf, PlanError> {
        match required(udf.function.as_ref(), "a user-defined function's code")? {
            UdfKind::PythonUdf(python) => Ok(PythonUdf {
                name: udf.function_name.clone(),
                deterministic: udf.deterministic,
                arguments: self.expressions(&udf.arguments)?,
                is_distinct: udf.is_distinct,
                ..python_function(python)?
            }),
            UdfKind::ScalarScalaUdf(_) => Err(PlanError::unsupported("user-defined functions in Scala")),
            UdfKind::JavaUdf(java) => {
                Err(PlanError::unsupported(format!("user-defined functions in Java ({})", java.class_name)))
            }
        }
    }

    pub(super) fn named(&mut self, alias: &message::Alias) -> Result<NamedExpr, PlanError> {
        let [name] = alias.name.as_slice() else {
            return Err(PlanError::invalid("a column to be added needs exactly one name"));
        };
        Ok(NamedExpr {
            name: name.clone(),
            expr: self.expression(required(alias.expr.as_deref(), "a column's value")?)?,
            metadata: alias.metadata.clone(),
        })
    }

    pub(super) fn merge_actions(&mut self, messages: &[proto::Expression]) -> Result<Vec<MergeAction>, PlanError> {
        messages.iter().map(|message| self.merge_action(message)).collect()
    }

    fn merge_action(&mut self, message: &proto::Expression) -> Result<MergeAction, PlanError> {
        use proto::merge_action::ActionType;
        let Some(ExprType::MergeAction(action)) = &message.expr_type else {
            return Err(PlanError::invalid("a merge needs merge actions"));
        };
        let mut assignments = Vec::with_capacity(action.assignments.len());
        for assignment in &action.assignments {
            let key = self.expression(required(assignment.key.as_ref(), "an assignment's column")?)?;
            let value = self.expression(required(assignment.value.as_ref(), "an assignment's value")?)?;
            assignments.push((key, value));
        }
        Ok(MergeAction {
            condition: match action.condition.as_deref() {
                Some(condition) => Some(self.expression(condition)?),
                None => None,
            },
            kind: match ActionType::try_from(action.action_type) {
                Ok(ActionType::Delete) => MergeActionKind::Delete,
                Ok(ActionType::Insert) => MergeActionKind::Insert(assignments),
                Ok(ActionType::InsertStar) => MergeActionKind::InsertStar,
                Ok(ActionType::Update) => MergeActionKind::Update(assignments),
                Ok(ActionType::UpdateStar) => MergeActionKind::UpdateStar,
                _ => return Err(PlanError::invalid("a merge action of an unknown kind")),
            },
        })
    }
}

/// The pickled function alone, as streaming commands carry it: they have neither name nor output type.
pub(super) fn python_function(python: &proto::PythonUdf) -> Result<PythonUdf, PlanError> {
    Ok(PythonUdf {
        name: String::new(),
        deterministic: true,
        arguments: Vec::new(),
        output_type: python.output_type.as_ref().map(data_type_from_proto).transpose()?,
        eval_type: python.eval_type,
        command: python.command.clone(),
        python_version: python.python_ver.clone(),
        additional_includes: python.additional_includes.clone(),
        is_distinct: false,
    })
}
