//! When the next batch may start: Spark's triggers and their arithmetic.

/// A streaming query's trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A batch at every multiple of `interval_ms`; 0 means as soon as there is data.
    ProcessingTime {
        /// Milliseconds between the starts of two batches.
        interval_ms: i64,
    },
    /// All data that is there at the start, in as many batches as the limits need, then stop.
    AvailableNow,
    /// One batch, limits ignored, then stop.
    Once,
}

impl Default for Trigger {
    fn default() -> Self {
        Self::ProcessingTime { interval_ms: 0 }
    }
}

impl Trigger {
    /// The moment at which the trigger that started at `started` is followed by the next one.
    #[must_use]
    pub fn next_after(self, started: i64) -> i64 {
        match self {
            Self::ProcessingTime { interval_ms } if interval_ms > 0 => {
                (started.div_euclid(interval_ms)).saturating_add(1).saturating_mul(interval_ms)
            }
            _ => started,
        }
    }

    /// Whether the query ends by itself.
    #[must_use]
    pub fn ends_by_itself(self) -> bool {
        matches!(self, Self::AvailableNow | Self::Once)
    }

    /// Reads `processingTime`'s text: `10 seconds`, `500 milliseconds`, `1 minute`, also with a leading `interval`.
    ///
    /// # Errors
    /// A text that is no interval, a negative one, or one with months.
    pub fn processing_time(text: &str) -> Result<Self, TriggerError> {
        let interval_ms = crate::time::interval_ms(text).ok_or_else(|| TriggerError::NotAnInterval(text.to_owned()))?;
        if interval_ms < 0 {
            return Err(TriggerError::Negative);
        }
        Ok(Self::ProcessingTime { interval_ms })
    }
}

/// Why a trigger was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// The text is not an interval.
    #[error("Error parsing '{0}' to interval, unrecognized number '{0}'")]
    NotAnInterval(String),
    /// The interval is below zero.
    #[error("the interval of trigger should not be negative")]
    Negative,
}
