//! `a INT NOT NULL COMMENT 'x', b STRUCT<c: STRING>`: types and schemas as SQL writes them.

use super::{DataType, StructField, StructType};
use crate::{PlanError, limits::TYPE_DEPTH_MAX};

/// One data type, `struct<a:int>` or `decimal(10,2)`; a list of columns is accepted as a struct, as Spark does.
pub fn from_ddl(text: &str) -> Result<DataType, PlanError> {
    match Parser::new(text).and_then(Parser::columns) {
        Ok(schema) => Ok(DataType::Struct(schema)),
        Err(as_columns) => match Parser::new(text).and_then(Parser::single_type) {
            Ok(data_type) => Ok(data_type),
            // `a fooo` says more about the user's mistake read as columns; `fooo` does read as a type.
            Err(as_type) if is_one_type(text) => Err(as_type),
            Err(_) => Err(as_columns),
        },
    }
}

/// A list of columns; a single type that is a struct is accepted too.
pub fn schema_from_ddl(text: &str) -> Result<StructType, PlanError> {
    match from_ddl(text)? {
        DataType::Struct(schema) => Ok(schema),
        other => Err(PlanError::DataType { name: format!("\"{}\"", super::sql_string(&other)) }),
    }
}

/// One type in the middle of a SQL text, for example behind `CAST(x AS`.
pub(crate) fn single_type(text: &str) -> Result<DataType, PlanError> {
    Parser::new(text).and_then(Parser::single_type)
}

fn is_one_type(text: &str) -> bool {
    let text = text.trim();
    text.split_once(['<', '(']).map_or(text, |(head, _)| head).split_whitespace().count() <= 1
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A bare word or number, or a name in back quotes.
    Word {
        text: String,
        quoted: bool,
    },
    Text(String),
    Sign(char),
    End,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, PlanError> {
        Ok(Self { text, tokens: tokens(text)?, at: 0, depth: 0 })
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// An error at the token that comes next.
    fn error<T>(&self, hint: &str) -> Result<T, PlanError> {
        let offset = self.tokens.get(self.at).map_or(self.text.len(), |(offset, _)| *offset);
        let near = match self.peek() {
            Token::Word { text, .. } | Token::Text(text) => format!("'{text}'"),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::End => "end of input".to_owned(),
        };
        Err(PlanError::syntax(self.text, offset, near, hint))
    }

    fn sign(&mut self, sign: char) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), PlanError> {
        if self.sign(sign) { Ok(()) } else { self.error(&format!(": expected '{sign}'")) }
    }

    fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word { text, quoted: false } if text.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn end(&mut self) -> Result<(), PlanError> {
        if *self.peek() == Token::End { Ok(()) } else { self.error("") }
    }

    fn columns(mut self) -> Result<StructType, PlanError> {
        let mut fields = Vec::new();
        if *self.peek() != Token::End {
            loop {
                fields.push(self.field()?);
                if !self.sign(',') {
                    break;
                }
            }
        }
        self.end()?;
        Ok(StructType { fields })
    }

    fn single_type(mut self) -> Result<DataType, PlanError> {
        let data_type = self.data_type()?;
        self.end()?;
        Ok(data_type)
    }

    fn field(&mut self) -> Result<StructField, PlanError> {
        let Token::Word { text: name, .. } = self.peek().clone() else { return self.error("") };
        self.at += 1;
        self.sign(':');
        let data_type = self.data_type()?;
        let mut field = StructField::new(name, data_type, true);
        loop {
            if self.keyword("not") {
                if !self.keyword("null") {
                    return self.error("");
                }
                field.nullable = false;
            } else if self.keyword("null") {
                field.nullable = true;
            } else if self.keyword("comment") {
                let Token::Text(comment) = self.peek().clone() else { return self.error("") };
                self.at += 1;
                field.metadata.insert("comment".to_owned(), serde_json::Value::String(comment));
            } else {
                return Ok(field);
            }
        }
    }

    fn data_type(&mut self) -> Result<DataType, PlanError> {
        self.depth += 1;
        if self.depth > TYPE_DEPTH_MAX {
            return Err(PlanError::TooDeep { depth_max: TYPE_DEPTH_MAX });
        }
        let Token::Word { text: name, quoted: false } = self.peek().clone() else { return self.error("") };
        self.at += 1;
        let data_type = match name.to_ascii_lowercase().as_str() {
            "array" => {
                self.expect('<')?;
                let element = self.data_type()?;
                self.expect('>')?;
                DataType::array(element, true)
            }
            "map" => {
                self.expect('<')?;
                let key = self.data_type()?;
                self.expect(',')?;
                let value = self.data_type()?;
                self.expect('>')?;
                DataType::map(key, value, true)
            }
            "struct" => self.structure()?,
            "decimal" | "dec" | "numeric" => self.decimal()?,
            "char" | "character" => DataType::Char(self.length()?),
            "varchar" => DataType::VarChar(self.length()?),
            "interval" => self.interval()?,
            "time" => {
                let precision = if self.sign('(') { self.number_and_close()? } else { 6 };
                match u8::try_from(precision) {
                    Ok(precision @ 0..=6) => DataType::Time { precision },
                    _ => return self.error(": time precision must be 0 to 6"),
                }
            }
            "string" => {
                if self.keyword("collate") {
                    let Token::Word { text: collation, .. } = self.next() else { return self.error("") };
                    if !collation.eq_ignore_ascii_case("utf8_binary") {
                        return Err(PlanError::unsupported(format!("collation {collation}")));
                    }
                }
                DataType::String
            }
            other => simple(other)
                .ok_or_else(|| PlanError::DataType { name: format!("\"{}\"", name.to_ascii_uppercase()) })?,
        };
        self.depth -= 1;
        Ok(data_type)
    }

    fn structure(&mut self) -> Result<DataType, PlanError> {
        let mut fields = Vec::new();
        self.expect('<')?;
        if !self.sign('>') {
            loop {
                fields.push(self.field()?);
                if !self.sign(',') {
                    break;
                }
            }
            self.expect('>')?;
        }
        Ok(DataType::structure(fields))
    }

    fn number(&mut self) -> Result<i32, PlanError> {
        let Token::Word { text, quoted: false } = self.peek() else { return self.error("") };
        let Ok(number) = text.parse::<i32>() else { return self.error("") };
        self.at += 1;
        Ok(number)
    }

    fn number_and_close(&mut self) -> Result<i32, PlanError> {
        let number = self.number()?;
        self.expect(')')?;
        Ok(number)
    }

    fn length(&mut self) -> Result<i32, PlanError> {
        self.expect('(')?;
        self.number_and_close()
    }

    fn decimal(&mut self) -> Result<DataType, PlanError> {
        if !self.sign('(') {
            return Ok(DataType::DECIMAL_DEFAULT);
        }
        let precision = self.number()?;
        let scale = if self.sign(',') {
            let minus = self.sign('-');
            let scale = self.number()?;
            if minus { -scale } else { scale }
        } else {
            0
        };
        self.expect(')')?;
        decimal(precision, scale)
    }

    fn interval(&mut self) -> Result<DataType, PlanError> {
        const FIELDS: [(&str, bool, u8); 6] = [
            ("year", true, 0),
            ("month", true, 1),
            ("day", false, 0),
            ("hour", false, 1),
            ("minute", false, 2),
            ("second", false, 3),
        ];
        let field = |parser: &mut Self| FIELDS.iter().find(|(word, ..)| parser.keyword(word)).copied();
        let Some((_, months, start)) = field(self) else { return Ok(DataType::CalendarInterval) };
        let end = if self.keyword("to") {
            match field(self) {
                Some((_, same, end)) if same == months && end > start => end,
                _ => return self.error(""),
            }
        } else {
            start
        };
        Ok(if months { DataType::YearMonthInterval { start, end } } else { DataType::DayTimeInterval { start, end } })
    }
}

/// The types that are one word.
pub(super) fn simple(lower: &str) -> Option<DataType> {
    Some(match lower {
        "boolean" => DataType::Boolean,
        "tinyint" | "byte" => DataType::Byte,
        "smallint" | "short" => DataType::Short,
        "int" | "integer" => DataType::Integer,
        "bigint" | "long" => DataType::Long,
        "float" | "real" => DataType::Float,
        "double" => DataType::Double,
        "date" => DataType::Date,
        "timestamp" | "timestamp_ltz" => DataType::Timestamp,
        "timestamp_ntz" => DataType::TimestampNtz,
        "binary" => DataType::Binary,
        "string" => DataType::String,
        "void" => DataType::Null,
        "variant" => DataType::Variant,
        _ => return None,
    })
}

/// DECIMAL within Spark's bounds.
pub(crate) fn decimal(precision: i32, scale: i32) -> Result<DataType, PlanError> {
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision as i8 && scale >= -38 => {
            Ok(DataType::Decimal { precision, scale })
        }
        _ => Err(PlanError::DataType { name: format!("\"DECIMAL({precision},{scale})\"") }),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, PlanError> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((offset, first)) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        let token = match first {
            '`' | '\'' | '"' => {
                let mut content = String::new();
                loop {
                    match chars.next() {
                        Some((_, c)) if c == first => {
                            // A doubled quote within a name stands for itself.
                            if first == '`' && chars.peek().is_some_and(|(_, c)| *c == '`') {
                                chars.next();
                                content.push('`');
                            } else {
                                break;
                            }
                        }
                        Some((_, '\\')) if first != '`' => {
                            if let Some((_, escaped)) = chars.next() {
                                content.push(match escaped {
                                    'n' => '\n',
                                    't' => '\t',
                                    'r' => '\r',
                                    other => other,
                                });
                            }
                        }
                        Some((_, c)) => content.push(c),
                        None => return Err(PlanError::syntax(text, offset, format!("'{first}'"), "")),
                    }
                }
                if first == '`' { Token::Word { text: content, quoted: true } } else { Token::Text(content) }
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                    word.push(c);
                }
                Token::Word { text: word, quoted: false }
            }
            '<' | '>' | '(' | ')' | ',' | ':' | '-' => Token::Sign(first),
            other => return Err(PlanError::syntax(text, offset, format!("'{other}'"), "")),
        };
        tokens.push((offset, token));
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests;
