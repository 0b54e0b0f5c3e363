//! The options of `from_json` and `to_json`, by Spark's names.

use crate::datetime::{Pattern, Zone};
use crate::{Exception, Options, SparkError};

/// What is done with a row that does not fit the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JsonMode {
    /// Null where it does not fit, its text in the column for corrupt records.
    Permissive,
    /// The query fails.
    FailFast,
}

/// How text is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonReadOptions {
    /// What is done with a row that does not fit.
    pub mode: JsonMode,
    /// The column of the schema that takes the text of a row that does not fit.
    pub corrupt_record_column: String,
    /// The zone of timestamps that name none.
    pub zone: Zone,
    /// The form of dates; any that Spark casts if absent.
    pub date_format: Option<Pattern>,
    /// The form of timestamps; any that Spark casts if absent.
    pub timestamp_format: Option<Pattern>,
    /// `{a: 1}`.
    pub unquoted_names: bool,
    /// `{'a': 1}`.
    pub single_quotes: bool,
    /// `007`.
    pub leading_zeros: bool,
    /// `NaN`, `Infinity`.
    pub non_numeric_numbers: bool,
    /// `\x` stands for `x`.
    pub any_escape: bool,
    /// Control characters within strings.
    pub control_characters: bool,
    /// Java's comments.
    pub comments: bool,
    /// Every number and truth value is read as text.
    pub primitives_as_string: bool,
}

impl JsonReadOptions {
    /// Spark's defaults in a zone.
    pub fn new(zone: Zone) -> Self {
        Self {
            mode: JsonMode::Permissive,
            corrupt_record_column: "_corrupt_record".to_owned(),
            zone,
            date_format: None,
            timestamp_format: None,
            unquoted_names: false,
            single_quotes: true,
            leading_zeros: false,
            non_numeric_numbers: true,
            any_escape: false,
            control_characters: false,
            comments: false,
            primitives_as_string: false,
        }
    }

    /// What the user gave, over the defaults.
    pub fn parse(options: &Options, zone: Zone) -> Result<Self, SparkError> {
        let mut read = Self::new(zone);
        if let Some(mode) = options.get("mode") {
            read.mode = match mode.to_ascii_uppercase().as_str() {
                "FAILFAST" => JsonMode::FailFast,
                "DROPMALFORMED" => {
                    return Err(SparkError::analysis(
                        "PARSE_MODE_UNSUPPORTED",
                        "42601",
                        "The function `from_json` doesn't support the DROPMALFORMED mode. Acceptable modes are PERMISSIVE and FAILFAST.",
                    )
                    .with("funcName", "`from_json`")
                    .with("mode", "DROPMALFORMED"));
                }
                // Spark warns about an unknown mode and takes PERMISSIVE.
                _ => JsonMode::Permissive,
            };
        }
        if let Some(name) = options.get("columnNameOfCorruptRecord") {
            name.clone_into(&mut read.corrupt_record_column);
        }
        if let Some(name) = options.get("timeZone") {
            read.zone = Zone::of_session(name)?;
        }
        read.date_format = options.get("dateFormat").map(Pattern::parse).transpose()?;
        read.timestamp_format = options.get("timestampFormat").map(Pattern::parse).transpose()?;
        for (key, flag) in [
            ("allowUnquotedFieldNames", &mut read.unquoted_names),
            ("allowSingleQuotes", &mut read.single_quotes),
            ("allowNumericLeadingZeros", &mut read.leading_zeros),
            ("allowNonNumericNumbers", &mut read.non_numeric_numbers),
            ("allowBackslashEscapingAnyCharacter", &mut read.any_escape),
            ("allowUnquotedControlChars", &mut read.control_characters),
            ("allowComments", &mut read.comments),
            ("primitivesAsString", &mut read.primitives_as_string),
        ] {
            if let Some(value) = options.bool(key)? {
                *flag = value;
            }
        }
        Ok(read)
    }
}

/// How values are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JsonWriteOptions {
    /// The zone of timestamps.
    pub zone: Zone,
    /// Fields that are null are left out.
    pub ignore_null_fields: bool,
    /// The form of dates.
    pub date_format: Option<Pattern>,
    /// The form of timestamps.
    pub timestamp_format: Option<Pattern>,
}

impl JsonWriteOptions {
    /// Spark's defaults in a zone.
    pub fn new(zone: Zone) -> Self {
        Self { zone, ignore_null_fields: true, date_format: None, timestamp_format: None }
    }

    /// What the user gave, over the defaults.
    pub fn parse(options: &Options, zone: Zone) -> Result<Self, SparkError> {
        let mut write = Self::new(zone);
        if let Some(name) = options.get("timeZone") {
            write.zone = Zone::of_session(name)?;
        }
        if let Some(value) = options.bool("ignoreNullFields")? {
            write.ignore_null_fields = value;
        }
        if options.bool("pretty")? == Some(true) {
            return Err(SparkError::unsupported("the option pretty of to_json"));
        }
        write.date_format = options.get("dateFormat").map(Pattern::parse).transpose()?;
        write.timestamp_format = options.get("timestampFormat").map(Pattern::parse).transpose()?;
        Ok(write)
    }
}

/// A row that does not fit, in FAILFAST.
pub(super) fn malformed(record: &str) -> SparkError {
    SparkError::new(
        Exception::Spark,
        "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
        "22023",
        format!(
            "Malformed records are detected in record parsing: {record}.\n\
             Parse Mode: FAILFAST. To process malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'."
        ),
    )
    .with("badRecord", record)
    .with("failFastMode", "FAILFAST")
}
