//! Partitions as the command line names them, and what the cluster says of them.

use andiron_client::{Admin, Isolation, ListOffsetsError, MetadataError, OffsetSpec, TopicPartition};
use andiron_protocol::error::ErrorCode;

use super::PARTITIONS_PER_ANSWER;
use crate::tools::failure::Thrown;

/// `topic:0,1,2`.
pub(super) fn parse(text: &str) -> Result<Vec<TopicPartition>, Thrown> {
    let mut parts = text.split(':');
    let (Some(topic), Some(numbers), None) = (parts.next(), parts.next().filter(|n| !n.is_empty()), parts.next())
    else {
        return Err(Thrown::illegal(format!("Invalid topic arg '{text}', expected topic name and partitions")));
    };
    let number = |number: &str| {
        let wrong = || Thrown::illegal(format!("Invalid partition '{number}' specified in topic arg '{text}''"));
        number.parse().map(|number| TopicPartition::new(topic, number)).map_err(|_| wrong())
    };
    numbers.split(',').map(number).collect()
}

/// The partitions of topics, each topic with or without numbers.
pub(super) async fn of_topics(admin: &Admin, texts: &[String]) -> Result<Vec<TopicPartition>, Thrown> {
    let mut partitions = Vec::new();
    for text in texts.iter().filter(|text| text.contains(':')) {
        partitions.extend(parse(text)?);
    }
    let whole: Vec<String> = texts.iter().filter(|text| !text.contains(':')).cloned().collect();
    for (name, topic) in admin.describe_topics(&whole, PARTITIONS_PER_ANSWER).await? {
        partitions.extend(topic?.partitions.iter().map(|p| TopicPartition::new(name.as_str(), p.partition)));
    }
    Ok(partitions)
}

fn topics_of(partitions: &[TopicPartition]) -> Vec<String> {
    let mut topics: Vec<String> = partitions.iter().map(|partition| partition.topic.to_string()).collect();
    topics.sort();
    topics.dedup();
    topics
}

/// (partition, whether it has a leader) of all partitions of the topics of these.
async fn led(admin: &Admin, partitions: &[TopicPartition]) -> Result<Vec<(TopicPartition, bool)>, Thrown> {
    let mut found = Vec::new();
    let described = admin.describe_topics(&topics_of(partitions), PARTITIONS_PER_ANSWER).await;
    for (name, topic) in described.map_err(|error| Thrown::from(error).in_runtime())? {
        let topic = topic.map_err(|refusal| Thrown::from(refusal).in_runtime())?;
        let each = topic.partitions.iter();
        found.extend(each.map(|p| (TopicPartition::new(name.as_str(), p.partition), p.leader.is_some())));
    }
    Ok(found)
}

/// Those without a leader.
pub(super) async fn leaderless(admin: &Admin, partitions: &[TopicPartition]) -> Result<Vec<TopicPartition>, Thrown> {
    let led = led(admin, partitions).await?;
    let without = led.into_iter().filter(|(partition, led)| !led && partitions.contains(partition));
    Ok(without.map(|(partition, _)| partition).collect())
}

/// All of them must exist and have leaders.
pub(super) async fn check(admin: &Admin, partitions: &[TopicPartition]) -> Result<(), Thrown> {
    let led = led(admin, partitions).await?;
    let joined = |those: Vec<String>| those.join(",");
    let unknown = partitions.iter().filter(|partition| !led.iter().any(|(known, _)| known == *partition));
    let unknown = joined(unknown.map(TopicPartition::to_string).collect());
    if !unknown.is_empty() {
        let message = format!("The partitions \"{unknown}\" do not exist");
        return Err(Thrown::of(ErrorCode::UnknownTopicOrPartition, &message));
    }
    let leaderless = led.iter().filter(|(partition, led)| !led && partitions.contains(partition));
    let leaderless = joined(leaderless.map(|(partition, _)| partition.to_string()).collect());
    if !leaderless.is_empty() {
        let message = format!("The partitions \"{leaderless}\" have no leader");
        return Err(Thrown::of(ErrorCode::LeaderNotAvailable, &message));
    }
    Ok(())
}

/// The offset of each partition, `None` where nothing answers to the question.
pub(super) async fn offsets(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Vec<(TopicPartition, Option<i64>)>, Thrown> {
    let asked: Vec<(TopicPartition, OffsetSpec)> = partitions.iter().map(|p| (p.clone(), spec)).collect();
    let listed = admin.client().list_offsets(&asked, Isolation::ReadUncommitted).await;
    let listed = listed.map_err(|error| unlisted(error, partitions).in_runtime())?;
    Ok(partitions.iter().cloned().zip(listed.into_iter().map(|listed| listed.offset)).collect())
}

/// `PartitionLeaderStrategy`: why the leader of a partition is not found.
fn unlisted(error: ListOffsetsError, partitions: &[TopicPartition]) -> Thrown {
    let (code, topic, why) = match &error {
        ListOffsetsError::Metadata(MetadataError::UnknownTopic { topic }) => {
            let why = format!("because metadata for topic `{topic}` could not be found");
            (ErrorCode::UnknownTopicOrPartition, topic, why)
        }
        ListOffsetsError::Metadata(MetadataError::InvalidTopic { topic }) => {
            (ErrorCode::InvalidTopicException, topic, format!("due to invalid topic `{topic}`"))
        }
        _ => return error.into(),
    };
    match partitions.iter().find(|partition| *partition.topic == **topic) {
        Some(partition) => Thrown::of(code, &format!("Failed to fetch metadata for partition {partition} {why}")),
        None => error.into(),
    }
}

/// Why an expression is none in RE2's syntax; `None` if it is one.
pub(super) fn re2_complaint(regex: &str) -> Option<String> {
    // RE2 has neither look-around nor back references, which our own engine would take.
    let foreign = ["(?=", "(?!", "(?<=", "(?<!", "(?>"];
    if let Some(found) = foreign.iter().find(|found| regex.contains(**found)) {
        let what = if found.len() == 4 { "invalid named capture" } else { "invalid or unsupported Perl syntax" };
        return Some(format!("{what}: `{found}`"));
    }
    let error = fancy_regex::Regex::new(regex).err()?;
    let text = error.to_string();
    Some(if text.contains("parenthes") || text.contains("unclosed group") || text.contains("unopened group") {
        if regex.matches('(').count() > regex.matches(')').count() {
            "missing closing )".to_owned()
        } else {
            format!("unexpected ): `{regex}`")
        }
    } else if regex.contains('[') && (text.contains("class") || text.contains("bracket")) {
        "missing closing ]".to_owned()
    } else if let Some(first) = regex.chars().next().filter(|first| "*+?".contains(*first)) {
        format!("missing argument to repetition operator: `{first}`")
    } else if regex.ends_with('\\') {
        "trailing backslash at end of expression".to_owned()
    } else {
        text
    })
}
