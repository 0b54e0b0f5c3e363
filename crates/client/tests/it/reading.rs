//! Offsets, ranges and what is out of them.

use andiron_client::{FetchError, Isolation, ListOffsetsError, OffsetSpec, ReadRange, TopicPartition, Topics};

use crate::support::{bootstrap, client, read_all, topic};

#[tokio::test]
#[ignore = "judged"]
async fn a_topic_that_is_not_there_is_named() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let error = client.topics(&Topics::Names(vec!["nowhere".to_owned()])).await.unwrap_err();
    assert_eq!(error.to_string(), "This server does not host this topic-partition: nowhere");
    let ask = [(TopicPartition::new("nowhere", 0), OffsetSpec::Latest)];
    let error = client.list_offsets(&ask, Isolation::ReadUncommitted).await.unwrap_err();
    assert!(matches!(error, ListOffsetsError::Metadata(_)), "{error:?}");
}

#[tokio::test]
#[ignore = "judged"]
async fn an_empty_topic_begins_and_ends_at_zero_and_offset_one_is_out_of_range() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "empty", 2).await;
    let at = TopicPartition::new(topic.as_str(), 1);
    let ask =
        [(at.clone(), OffsetSpec::Earliest), (at.clone(), OffsetSpec::Latest), (at.clone(), OffsetSpec::Timestamp(0))];
    let offsets = client.list_offsets(&ask, Isolation::ReadCommitted).await.unwrap();
    assert_eq!(offsets.iter().map(|o| o.offset).collect::<Vec<_>>(), [Some(0), Some(0), None]);
    assert!(read_all(&client, &topic, Isolation::ReadCommitted).await.is_empty());

    let range = ReadRange { partition: at.clone(), start: 1, end: 2 };
    let mut readers = client.read(vec![range], Isolation::ReadUncommitted);
    let error = readers[0].next().await.unwrap().unwrap_err();
    assert!(
        matches!(&error, FetchError::OffsetOutOfRange { offset: 1, log_start_offset: 0, high_watermark: 0, .. }),
        "{error:?}"
    );
    assert!(readers[0].next().await.is_none());
    let error = client.fetch(&at, 7, Isolation::ReadUncommitted).await.unwrap_err();
    assert!(matches!(&error, FetchError::OffsetOutOfRange { offset: 7, .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "judged"]
async fn patterns_match_whole_names() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "pattern", 1).await;
    for (pattern, found) in
        [(topic.clone(), true), (format!("{}.*", &topic[..20]), true), (topic[..20].to_owned(), false)]
    {
        let topics = client.topics(&Topics::Pattern(pattern)).await.unwrap();
        assert_eq!(topics.iter().any(|t| *t.name == *topic), found);
    }
    assert!(client.topics(&Topics::Pattern("(".to_owned())).await.is_err());
}
