//! An operator who has partitions moved from one log directory to the other.

use andiron_protocol::ErrorCode;
use andiron_protocol::messages::AlterReplicaLogDirsRequest;
use andiron_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use bytes::Bytes;

use super::clients::Client;
use super::operator::SCRATCH;
use super::truth::{PARTITIONS, TOPIC, Truth};
use super::wire::{Wire, decode, text, topic};

/// The log directories.
pub(crate) const DIRS: [&str; 2] = ["/one", "/two"];

/// The request to have a partition moved.
pub(crate) fn to_move(name: &str, partition: i32, dir: &str) -> AlterReplicaLogDirsRequest {
    let of_topic = AlterReplicaLogDirTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
    let dir = AlterReplicaLogDir::default().with_path(text(dir)).with_topics(vec![of_topic]);
    AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])
}

/// Has any partition moved anywhere.
#[derive(Default)]
pub(crate) struct Mover {
    waiting: bool,
    finishing: bool,
}

impl Client for Mover {
    fn act(&mut self, me: usize, wire: &mut Wire, _truth: &mut Truth) {
        // A move is more work than anything else that is asked for.
        if self.waiting || self.finishing || !wire.draw.one_in(4) {
            return;
        }
        let names = [(TOPIC, PARTITIONS), (SCRATCH, 1), ("__consumer_offsets", 1), ("__transaction_state", 1)];
        let (name, partitions) = names[wire.draw.below(names.len() as u64) as usize];
        let partition = wire.draw.below(partitions as u64) as i32;
        let dir = DIRS[wire.draw.below(2) as usize];
        self.waiting = true;
        wire.send(me, 0, 2, &to_move(name, partition, dir));
    }

    fn answered(&mut self, _what: u64, frame: &Bytes, _wire: &mut Wire, _truth: &mut Truth) {
        self.waiting = false;
        let code = decode::<AlterReplicaLogDirsRequest>(2, frame).results[0].partitions[0].error_code;
        let error = ErrorCode::from_code(code).unwrap();
        // The topic may be gone.
        assert!(error.is_none() || error == ErrorCode::ReplicaNotAvailable, "{}", error.name());
    }

    fn cut_off(&mut self, _wire: &mut Wire, _truth: &mut Truth) {
        self.waiting = false;
    }

    fn finish(&mut self) -> bool {
        self.finishing = true;
        !self.waiting
    }
}
