//! sqlparser, bent to Spark where its Spark dialect is not yet: escapes in strings, literals with a suffix, `array(..)`; and
//! bounded, since its trees are dropped recursively.

use std::any::TypeId;

use sqlparser::{
    ast::Expr,
    dialect::{Dialect, Precedence, SparkSqlDialect},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError},
};

use crate::{
    PlanError,
    limits::{SQL_BYTES_MAX, SQL_NESTING_MAX, SQL_OPERATORS_MAX, SQL_STACK_BYTES},
};

/// Marks a number with a suffix on its way through the parser as a placeholder.
pub(super) const SUFFIXED: char = '\u{1}';

/// sqlparser's Spark dialect with what it lacks.
#[derive(Debug)]
struct Spark;

impl Dialect for Spark {
    fn dialect(&self) -> TypeId {
        TypeId::of::<SparkSqlDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        SparkSqlDialect.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_create_table_using(&self) -> bool {
        true
    }

    fn supports_long_type_as_bigint(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_select_item_multi_column_alias(&self) -> bool {
        true
    }

    fn supports_cte_without_as(&self) -> bool {
        true
    }

    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }

    fn supports_create_view_comment_syntax(&self) -> bool {
        true
    }

    // sqlparser's own gives DIV the lowest precedence of all and then takes in everything to the right.
    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Word(word) if word.keyword == Keyword::DIV => Some(Ok(self.prec_value(Precedence::MulDivModOp))),
            _ => None,
        }
    }

    fn parse_infix(&self, parser: &mut Parser, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        if !parser.parse_keyword(Keyword::DIV) {
            return None;
        }
        Some(parser.parse_subexpr(precedence).map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: sqlparser::ast::BinaryOperator::MyIntegerDivide,
            right: Box::new(right),
        }))
    }
}

/// Tokenizes, refuses what would nest too deep, and runs the rest with enough stack for the parser's trees.
pub(super) fn on_deep_stack<T>(
    text: &str,
    work: impl FnOnce(Vec<TokenWithSpan>) -> Result<T, PlanError>,
) -> Result<T, PlanError> {
    if text.len() > SQL_BYTES_MAX {
        return Err(PlanError::unsupported(format!("SQL text of more than {SQL_BYTES_MAX} bytes")));
    }
    let tokens =
        Tokenizer::new(&Spark, text).tokenize_with_location().map_err(|error| tokenizer_error(text, &error))?;
    let tokens = as_spark(tokens);
    let operators = tokens.iter().filter(|token| nests(&token.token)).count();
    if operators > SQL_OPERATORS_MAX {
        return Err(PlanError::TooDeep { depth_max: SQL_OPERATORS_MAX });
    }
    // A chain of operators is a tree as deep as it is long.
    if operators > SQL_NESTING_MAX {
        stacker::grow(SQL_STACK_BYTES, || work(tokens))
    } else {
        crate::with_stack(|| work(tokens))
    }
}

/// Whether a token can make a tree one deeper.
fn nests(token: &Token) -> bool {
    match token {
        Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_) => false,
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        _ => true,
    }
}

/// Tokens as Spark's lexer would give them.
fn as_spark(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for mut token in tokens {
        match &mut token.token {
            // `1.5D`, `7S`: the suffix touches the number.
            Token::Word(word) if word.quote_style.is_none() => {
                let suffix = word.value.to_ascii_uppercase();
                if let Some(TokenWithSpan { token: Token::Number(number, false), span }) = out.last()
                    && span.end == token.span.start
                    && matches!(suffix.as_str(), "D" | "F" | "S" | "Y" | "BD")
                {
                    token.token = Token::Placeholder(format!("{SUFFIXED}{number}{suffix}"));
                    token.span.start = span.start;
                    out.pop();
                }
            }
            Token::LParen => {
                // `array(..)` is a function here, not a subquery.
                if let Some(TokenWithSpan { token: Token::Word(word), .. }) =
                    out.iter_mut().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))
                    && matches!(word.keyword, Keyword::ARRAY)
                {
                    word.keyword = Keyword::NoKeyword;
                }
            }
            Token::Mul => star_of_struct(&mut out),
            _ => {}
        }
        // `exists(` is a function unless a query follows.
        if let Token::Word(word) = &token.token
            && word.quote_style.is_none()
            && !matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::TABLE)
        {
            exists_of_array(&mut out);
        }
        out.push(token);
    }
    out
}

fn exists_of_array(tokens: &mut [TokenWithSpan]) {
    let mut before =
        tokens.iter_mut().rev().map(|token| &mut token.token).filter(|t| !matches!(t, Token::Whitespace(_)));
    if matches!(before.next(), Some(Token::LParen))
        && let Some(Token::Word(word)) = before.next()
        && word.keyword == Keyword::EXISTS
    {
        word.keyword = Keyword::NoKeyword;
    }
}

/// Before the star of `struct(*)` or `struct(a.*)`: as a function it may have one, as a struct literal not.
fn star_of_struct(tokens: &mut [TokenWithSpan]) {
    let mut before =
        tokens.iter_mut().rev().map(|token| &mut token.token).filter(|t| !matches!(t, Token::Whitespace(_)));
    let mut token = before.next();
    while matches!(token, Some(Token::Period)) {
        before.next();
        token = before.next();
    }
    if matches!(token, Some(Token::LParen))
        && let Some(Token::Word(word)) = before.next()
        && word.keyword == Keyword::STRUCT
    {
        word.keyword = Keyword::NoKeyword;
    }
}

fn global_position(tokens: &[TokenWithSpan]) -> Option<usize> {
    let mut words = tokens.iter().enumerate().filter_map(|(i, token)| match &token.token {
        Token::Word(word) => Some((i, word.keyword)),
        _ => None,
    });
    if words.next()?.1 != Keyword::CREATE {
        return None;
    }
    words.take(3).find(|(_, keyword)| *keyword == Keyword::GLOBAL).map(|(i, _)| i)
}

/// The tokens without the GLOBAL of CREATE .. GLOBAL TEMPORARY VIEW, which sqlparser does not know, and whether there was one.
pub(super) fn without_global(mut tokens: Vec<TokenWithSpan>) -> (Vec<TokenWithSpan>, bool) {
    let position = global_position(&tokens);
    if let Some(i) = position {
        tokens.remove(i);
    }
    (tokens, position.is_some())
}

/// Parses one thing and nothing behind it but a semicolon.
pub(super) fn one<T>(
    text: &str,
    tokens: Vec<TokenWithSpan>,
    parse: impl FnOnce(&mut Parser) -> Result<T, ParserError>,
) -> Result<T, PlanError> {
    let mut parser = Parser::new(&Spark).with_recursion_limit(SQL_NESTING_MAX).with_tokens_with_locations(tokens);
    let parsed = parse(&mut parser).map_err(|error| parser_error(text, &parser, error))?;
    while parser.consume_token(&Token::SemiColon) {}
    match &parser.peek_token_ref().token {
        Token::EOF => Ok(parsed),
        _ => Err(error_at(text, parser.peek_token_ref(), "")),
    }
}

fn parser_error(text: &str, parser: &Parser, error: ParserError) -> PlanError {
    match error {
        ParserError::RecursionLimitExceeded => PlanError::TooDeep { depth_max: SQL_NESTING_MAX },
        ParserError::TokenizerError(message) => PlanError::syntax(text, 0, "end of input", format!(": {message}")),
        ParserError::ParserError(message) => {
            // The message ends with ` at Line: 1, Column: 7`, which is where the token is that was not expected.
            let (hint, location) = message.rsplit_once(" at Line: ").unwrap_or((&message, ""));
            let location = location.split_once(", Column: ").and_then(|(line, column)| {
                Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
            });
            let hint = hint.split(", found: ").next().unwrap_or(hint);
            match location {
                Some(location) => {
                    let offset = offset_of(text, location);
                    PlanError::syntax(text, offset, near(text, offset), format!(": {hint}"))
                }
                None => error_at(text, parser.peek_token_ref(), hint),
            }
        }
    }
}

fn tokenizer_error(text: &str, error: &TokenizerError) -> PlanError {
    let offset = offset_of(text, error.location);
    PlanError::syntax(text, offset, near(text, offset), format!(": {}", error.message))
}

fn error_at(text: &str, token: &TokenWithSpan, hint: &str) -> PlanError {
    let hint = if hint.is_empty() { String::new() } else { format!(": {hint}") };
    match &token.token {
        Token::EOF => PlanError::syntax(text, text.len(), "end of input", hint),
        token_itself => PlanError::syntax(text, offset_of(text, token.span.start), format!("'{token_itself}'"), hint),
    }
}

/// The word that begins at an offset, quoted.
fn near(text: &str, offset: usize) -> String {
    let rest = text.get(offset..).unwrap_or("").trim_start();
    let Some(first) = rest.chars().next() else { return "end of input".to_owned() };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word: String =
        if is_word(first) { rest.chars().take_while(|c| is_word(*c)).collect() } else { first.to_string() };
    format!("'{word}'")
}

/// Lines and columns count from one; a column is a character.
fn offset_of(text: &str, location: Location) -> usize {
    if location.line == 0 {
        return text.len();
    }
    let mut line_start = 0;
    for _ in 1..location.line {
        match text[line_start..].find('\n') {
            Some(i) => line_start += i + 1,
            None => return text.len(),
        }
    }
    let column = usize::try_from(location.column).unwrap_or(usize::MAX).saturating_sub(1);
    text[line_start..].char_indices().nth(column).map_or(text.len(), |(i, _)| line_start + i)
}
