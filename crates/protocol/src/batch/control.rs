//! Control records: what brokers write into a log for one another. Their key says their kind; values of the quorum's kinds are
//! messages of their own, the transaction marker is small enough to stand here.

/// The kind of a control record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// A transaction ended without effect.
    Abort,
    /// A transaction took effect.
    Commit,
    /// A quorum leader's first record in its epoch.
    LeaderChange,
    /// Begin of a snapshot.
    SnapshotHeader,
    /// End of a snapshot.
    SnapshotFooter,
    /// The quorum protocol's version.
    KRaftVersion,
    /// The quorum's voters.
    KRaftVoters,
    /// A kind that is not known here; readers pass over it.
    Unknown(i16),
}

impl ControlType {
    /// The number in the key.
    pub fn id(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(id) => id,
        }
    }

    /// The kind a control record's key names; None when the key is no control key.
    pub fn from_key(key: &[u8]) -> Option<ControlType> {
        let key = key.first_chunk::<4>()?;
        if i16::from_be_bytes([key[0], key[1]]) < 0 {
            return None;
        }
        Some(match i16::from_be_bytes([key[2], key[3]]) {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            2 => ControlType::LeaderChange,
            3 => ControlType::SnapshotHeader,
            4 => ControlType::SnapshotFooter,
            5 => ControlType::KRaftVersion,
            6 => ControlType::KRaftVoters,
            other => ControlType::Unknown(other),
        })
    }
}

/// The key of a control record: version 0 and the kind.
pub fn control_key(kind: ControlType) -> [u8; 4] {
    let id = kind.id().to_be_bytes();
    [0, 0, id[0], id[1]]
}

/// Newest version of the marker's value that is read field by field.
pub const END_TXN_MARKER_VERSION_MAX: i16 = 0;

/// The value of a transaction marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Epoch of the transaction coordinator that decided.
    pub coordinator_epoch: i32,
}

impl EndTxnMarker {
    /// The value's bytes, version 0.
    pub fn to_bytes(self) -> [u8; 6] {
        let e = self.coordinator_epoch.to_be_bytes();
        [0, 0, e[0], e[1], e[2], e[3]]
    }

    /// Reads a value; newer versions only add behind the epoch.
    pub fn read(value: &[u8]) -> Option<EndTxnMarker> {
        let b = value.first_chunk::<6>()?;
        if i16::from_be_bytes([b[0], b[1]]) < 0 {
            return None;
        }
        Some(EndTxnMarker { coordinator_epoch: i32::from_be_bytes([b[2], b[3], b[4], b[5]]) })
    }
}
