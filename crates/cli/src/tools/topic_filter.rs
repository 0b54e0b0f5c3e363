//! Topics chosen by a pattern, as Kafka's tools choose them: a comma means "or", the whole name must match.

use super::failure::Thrown;

/// `TopicFilter.IncludeList`.
pub(crate) struct TopicFilter {
    regex: fancy_regex::Regex,
}

impl TopicFilter {
    /// Reads the pattern.
    pub(crate) fn new(text: &str) -> Result<TopicFilter, Thrown> {
        let text = text.trim().replace(',', "|").replace(' ', "");
        let text = text.trim_matches(['"', '\'']);
        let wrong = || Thrown::new("java.lang.RuntimeException", format!("{text} is an invalid regex."));
        let regex = fancy_regex::Regex::new(&format!("^(?:{text})$")).map_err(|_| wrong())?;
        Ok(TopicFilter { regex })
    }

    /// Whether a topic is meant.
    pub(crate) fn allows(&self, topic: &str) -> bool {
        self.regex.is_match(topic).unwrap_or(false)
    }
}

/// The topics that Kafka keeps for itself (`Topic.isInternal`).
pub(crate) fn is_internal(topic: &str) -> bool {
    matches!(topic, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}
