//! Arithmetic that stops instead of wrapping around: ANSI mode's.

use arrow::array::ArrayRef;
use arrow::compute::kernels::{cmp, numeric};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use crate::{Exception, SparkError};

/// An operator of ANSI mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
}

impl Operator {
    /// Applies the operator to columns of one type.
    pub(crate) fn run(self, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef, SparkError> {
        let result = match self {
            Self::Add => numeric::add(left, right),
            Self::Subtract => numeric::sub(left, right),
            Self::Multiply => numeric::mul(left, right),
        };
        result.map_err(|error| match error {
            arrow::error::ArrowError::ArithmeticOverflow(_) => self.overflow(left.data_type()),
            other => other.into(),
        })
    }

    fn overflow(self, data_type: &DataType) -> SparkError {
        let what = match data_type {
            DataType::Int32 => "integer",
            DataType::Int64 => "long",
            _ => "number",
        };
        let try_name = match self {
            Self::Add => "try_add",
            Self::Subtract => "try_subtract",
            Self::Multiply => "try_multiply",
        };
        SparkError::new(
            Exception::Arithmetic,
            "ARITHMETIC_OVERFLOW",
            "22003",
            format!(
                "{what} overflow. Use '{try_name}' to tolerate overflow and return NULL instead. \
                 If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error."
            ),
        )
        .with("message", format!("{what} overflow"))
        .with("alternative", format!(" Use '{try_name}' to tolerate overflow and return NULL instead."))
        .with("config", "\"spark.sql.ansi.enabled\"")
    }
}

/// An error if a divisor is zero.
pub(crate) fn refuse_zero(divisor: &ArrayRef) -> Result<(), SparkError> {
    let zero = ScalarValue::new_zero(divisor.data_type())?.to_scalar()?;
    let is_zero = cmp::eq(divisor, &zero)?;
    if is_zero.true_count() > 0 {
        return Err(SparkError::divide_by_zero());
    }
    Ok(())
}
