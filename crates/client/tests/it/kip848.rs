//! The group consumer under `group.protocol=consumer`, where the coordinator assigns.

use std::time::Duration;

use andiron_client::ConsumerError;
use tokio::time::timeout;

use crate::consuming::{
    PATIENCE, a_slow_member_loses_its_partitions, fill, is_shared, member, members_share, poll_some, poll_until, unique,
};
use crate::support::{bootstrap, client, topic};

const MODERN: (&str, &str) = ("group.protocol", "consumer");

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn kip_848_members_share_and_each_record_is_read_once() {
    crate::support::log();
    let bootstrap = bootstrap();
    let share =
        async |assignor| members_share(&bootstrap, assignor, &[MODERN, ("group.remote.assignor", assignor)]).await;
    tokio::join!(share("uniform"), share("range"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn kip_848_patterns_are_matched_by_the_coordinator() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "re2", 2).await;
    fill(&client, &topic, 2, 0..20).await;
    let mut consumer = member(&bootstrap, &unique("re2"), &[MODERN]);
    consumer.subscribe_coordinator_pattern(&format!("{}.*", &topic[..20])).unwrap();
    assert_eq!(poll_some(&mut consumer, 20).await.len(), 20);
    consumer.close(PATIENCE).await.unwrap();
    let mut wrong = member(&bootstrap, &unique("re2"), &[MODERN]);
    wrong.subscribe_coordinator_pattern("(").unwrap();
    let error = timeout(PATIENCE, async {
        loop {
            if let Err(error) = wrong.poll(Duration::from_millis(100)).await {
                return error;
            }
        }
    });
    assert!(matches!(error.await.unwrap(), ConsumerError::Group { .. }));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn kip_848_static_members_come_back_to_what_they_had() {
    let bootstrap = bootstrap();
    let client = client(&bootstrap, &[]);
    let topic = topic(&client, "static-848", 4).await;
    let group = unique("static-848");
    let new = |instance: &str| member(&bootstrap, &group, &[MODERN, ("group.instance.id", instance)]);
    let (mut a, mut b) = (new("a"), new("b"));
    a.subscribe([topic.as_str()]).await.unwrap();
    b.subscribe([topic.as_str()]).await.unwrap();
    poll_until(&mut [&mut a, &mut b], |all| is_shared(all, 4)).await;
    let (held, others) = (b.assignment(), a.assignment());
    b.close(PATIENCE).await.unwrap();
    let mut b = new("b");
    b.subscribe([topic.as_str()]).await.unwrap();
    poll_until(&mut [&mut a, &mut b], |all| is_shared(all, 4)).await;
    assert_eq!((a.assignment(), b.assignment()), (others, held));
    a.close(PATIENCE).await.unwrap();
    b.close(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "judged"]
async fn kip_848_members_that_do_not_poll_in_time_lose_their_partitions() {
    a_slow_member_loses_its_partitions(&[MODERN]).await;
}
