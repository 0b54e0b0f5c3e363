//! SQL statements that are not queries.

use sqlparser::{
    ast::{self, FromTable, Statement as Parsed, TableObject},
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use super::{
    Lower,
    expression::{data_type_of, object_name},
};
use crate::{
    PlanError,
    spec::{CreateTable, DropKind, SaveMode, Statement, StructField, StructType, ViewScope},
};

/// The statements that Spark reads more freely than any grammar: `SET a.b.c = any text`, SHOW, DESCRIBE, USE, DROP.
pub(super) fn without_parser(text: &str, tokens: &[TokenWithSpan]) -> Option<Result<Statement, PlanError>> {
    let tokens: Vec<&Token> = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF))
        .collect();
    let mut words = Words { tokens: &tokens, at: 0 };
    let first = words.word()?;
    match first.to_ascii_uppercase().as_str() {
        "SET" if !words.peek_is("TIME") => Some(Ok(set(text))),
        "RESET" => {
            let key = text.trim().trim_end_matches(';')[5..].trim();
            Some(Ok(Statement::Reset { key: (!key.is_empty()).then(|| key.to_owned()) }))
        }
        "USE" => {
            words.skip(&["DATABASE", "SCHEMA", "NAMESPACE", "CATALOG"]);
            Some(Ok(Statement::Use { name: words.name()? }))
        }
        "SHOW" => words.show(),
        "DESCRIBE" | "DESC" => {
            if words.peek_is("SELECT") || words.peek_is("QUERY") || words.peek_is("WITH") {
                return None;
            }
            words.skip(&["TABLE"]);
            let extended = words.skip(&["EXTENDED", "FORMATTED"]);
            let table = words.name()?;
            words.done().then_some(Ok(Statement::DescribeTable { table, extended }))
        }
        "DROP" => words.drop(),
        "TRUNCATE" => {
            words.skip(&["TABLE"]);
            let table = words.name()?;
            words.done().then_some(Ok(Statement::Truncate { table }))
        }
        _ => None,
    }
}

fn set(text: &str) -> Statement {
    let rest = text.trim().trim_end_matches(';');
    let rest = rest.get(3..).unwrap_or("").trim();
    let unquoted = |key: &str| key.trim().trim_matches('`').to_owned();
    match rest.split_once('=') {
        Some((key, value)) => Statement::Set { key: Some(unquoted(key)), value: Some(value.trim().to_owned()) },
        None if rest.is_empty() || rest.eq_ignore_ascii_case("-v") => Statement::Set { key: None, value: None },
        None => Statement::Set { key: Some(unquoted(rest)), value: None },
    }
}

struct Words<'a> {
    tokens: &'a [&'a Token],
    at: usize,
}

impl Words<'_> {
    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn word(&mut self) -> Option<String> {
        let Token::Word(word) = self.tokens.get(self.at)? else { return None };
        self.at += 1;
        Some(word.value.clone())
    }

    fn peek_is(&self, expected: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.value.eq_ignore_ascii_case(expected))
    }

    fn skip(&mut self, any: &[&str]) -> bool {
        let found = any.iter().any(|word| self.peek_is(word));
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Option<Vec<String>> {
        let mut name = vec![self.word()?];
        while matches!(self.tokens.get(self.at), Some(Token::Period)) {
            self.at += 1;
            name.push(self.word()?);
        }
        Some(name)
    }

    fn pattern(&mut self) -> Option<String> {
        self.skip(&["LIKE"]);
        let (Token::SingleQuotedString(text) | Token::DoubleQuotedString(text)) = self.tokens.get(self.at)? else {
            return None;
        };
        self.at += 1;
        Some(text.clone())
    }

    fn show(&mut self) -> Option<Result<Statement, PlanError>> {
        let what = self.word()?.to_ascii_uppercase();
        let statement = match what.as_str() {
            "TABLES" | "VIEWS" => {
                let database = if self.skip(&["FROM", "IN"]) { Some(self.name()?) } else { None };
                Statement::ShowTables { database, pattern: self.pattern() }
            }
            "DATABASES" | "SCHEMAS" | "NAMESPACES" => Statement::ShowDatabases { pattern: self.pattern() },
            "COLUMNS" => {
                self.skip(&["FROM", "IN"]);
                Statement::ShowColumns { table: self.name()? }
            }
            other => return Some(Ok(Statement::Other { name: format!("SHOW {other}") })),
        };
        self.done().then_some(Ok(statement))
    }

    fn drop(&mut self) -> Option<Result<Statement, PlanError>> {
        self.skip(&["TEMPORARY", "TEMP"]);
        let kind = match self.word()?.to_ascii_uppercase().as_str() {
            "TABLE" => DropKind::Table,
            "VIEW" => DropKind::View,
            "DATABASE" | "SCHEMA" | "NAMESPACE" => DropKind::Database,
            other => return Some(Ok(Statement::Other { name: format!("DROP {other}") })),
        };
        let if_exists = self.skip(&["IF"]) && self.skip(&["EXISTS"]);
        let name = self.name()?;
        let cascade = self.skip(&["CASCADE"]);
        self.skip(&["PURGE", "RESTRICT"]);
        self.done().then_some(Ok(Statement::Drop { kind, name, if_exists, cascade }))
    }
}

impl Lower<'_> {
    pub(super) fn statement(&mut self, parsed: &Parsed, global: bool) -> Result<Statement, PlanError> {
        Ok(match parsed {
            Parsed::Query(query) => Statement::Query(Box::new(self.query(query)?)),
            Parsed::CreateView(view) => Statement::CreateView {
                name: object_name(&view.name)?,
                columns: view.columns.iter().map(|column| column.name.value.clone()).collect(),
                query: Box::new(self.query(&view.query)?),
                replace: view.or_replace,
                if_not_exists: view.if_not_exists,
                temporary: match (view.temporary, global) {
                    (true, true) => ViewScope::Global,
                    (true, false) => ViewScope::Session,
                    _ => ViewScope::Permanent,
                },
            },
            Parsed::CreateTable(table) => Statement::CreateTable(Box::new(self.create_table(table)?)),
            Parsed::CreateDatabase { db_name, if_not_exists, .. } => {
                Statement::CreateDatabase { name: object_name(db_name)?, if_not_exists: *if_not_exists }
            }
            Parsed::CreateSchema { schema_name: ast::SchemaName::Simple(name), if_not_exists, .. } => {
                Statement::CreateDatabase { name: object_name(name)?, if_not_exists: *if_not_exists }
            }
            Parsed::Insert(insert) => {
                let TableObject::TableName(table) = &insert.table else {
                    return Err(PlanError::unsupported("INSERT into anything but a table"));
                };
                let Some(source) = &insert.source else { return Err(PlanError::unsupported("INSERT without rows")) };
                if insert.partitioned.is_some() {
                    return Err(PlanError::unsupported("INSERT with PARTITION"));
                }
                Statement::Insert {
                    table: object_name(table)?,
                    columns: insert.columns.iter().map(|column| Ok(object_name(column)?.join("."))).collect::<Result<
                        _,
                        PlanError,
                    >>(
                    )?,
                    query: Box::new(self.query(source)?),
                    overwrite: insert.overwrite,
                }
            }
            Parsed::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let [ast::TableWithJoins { relation: ast::TableFactor::Table { name, .. }, joins }] = from.as_slice()
                else {
                    return Err(PlanError::unsupported("DELETE from anything but a table"));
                };
                if !joins.is_empty() {
                    return Err(PlanError::unsupported("DELETE from a join"));
                }
                let condition = match &delete.selection {
                    Some(condition) => Some(self.expr(condition)?),
                    None => None,
                };
                Statement::Delete { table: object_name(name)?, condition }
            }
            Parsed::Explain { describe_alias, verbose, statement, .. } => match &**statement {
                Parsed::Query(query) => {
                    let query = Box::new(self.query(query)?);
                    match describe_alias {
                        ast::DescribeAlias::Explain => Statement::Explain { query, extended: *verbose },
                        _ => Statement::DescribeQuery { query },
                    }
                }
                _ => Statement::Other { name: "EXPLAIN of a command".to_owned() },
            },
            other => {
                let text = other.to_string();
                let name: Vec<&str> = text.split_whitespace().take(2).collect();
                Statement::Other { name: name.join(" ") }
            }
        })
    }

    fn create_table(&mut self, table: &ast::CreateTable) -> Result<CreateTable, PlanError> {
        let fields = table
            .columns
            .iter()
            .map(|column| {
                let nullable = !column.options.iter().any(|option| matches!(option.option, ast::ColumnOption::NotNull));
                Ok(StructField::new(column.name.value.clone(), data_type_of(&column.data_type)?, nullable))
            })
            .collect::<Result<Vec<_>, PlanError>>()?;
        let mut created = CreateTable {
            name: object_name(&table.name)?,
            schema: (!fields.is_empty()).then(|| StructType::new(fields)),
            provider: None,
            location: table.location.clone(),
            options: Vec::new(),
            properties: Vec::new(),
            partitioning: Vec::new(),
            comment: None,
            query: match &table.query {
                Some(query) => Some(Box::new(self.query(query)?)),
                None => None,
            },
            mode: match (table.or_replace, table.if_not_exists) {
                (true, _) => SaveMode::Overwrite,
                (_, true) => SaveMode::Ignore,
                _ => SaveMode::ErrorIfExists,
            },
        };
        if let ast::HiveDistributionStyle::PARTITIONED { columns } = &table.hive_distribution {
            created.partitioning = columns.iter().map(|column| column.name.value.clone()).collect();
        }
        if let Some(formats) = &table.hive_formats {
            created.location = created.location.or_else(|| formats.location.clone());
        }
        if let Some(ast::CommentDef::WithEq(comment) | ast::CommentDef::WithoutEq(comment)) = &table.comment {
            created.comment = Some(comment.clone());
        }
        let (properties, options) = match &table.table_options {
            ast::CreateTableOptions::TableProperties(options) => (options.as_slice(), &[][..]),
            ast::CreateTableOptions::Options(options) | ast::CreateTableOptions::With(options) => {
                (&[][..], options.as_slice())
            }
            _ => (&[][..], &[][..]),
        };
        created.properties = key_values(properties);
        created.options = key_values(options);
        Ok(created)
    }
}

fn key_values(options: &[ast::SqlOption]) -> Vec<(String, String)> {
    options
        .iter()
        .filter_map(|option| match option {
            ast::SqlOption::KeyValue { key, value } => {
                let value = match value {
                    ast::Expr::Value(value) => match &value.value {
                        ast::Value::SingleQuotedString(text) | ast::Value::DoubleQuotedString(text) => text.clone(),
                        other => other.to_string(),
                    },
                    other => other.to_string(),
                };
                Some((key.value.clone(), value))
            }
            _ => None,
        })
        .collect()
}

/// The format that a text names with USING, which sqlparser reads and forgets.
pub(super) fn provider(tokens: &[TokenWithSpan]) -> Option<String> {
    let mut tokens = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    tokens.find(|token| matches!(token, Token::Word(word) if word.keyword == Keyword::USING))?;
    match tokens.next()? {
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    }
}
