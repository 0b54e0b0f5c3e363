//! The file `quorum-state`: what a voter must not forget, as JSON in Kafka's own form.

use andiron_protocol::{KafkaUuid, Uuid};
use serde_json::Value;

/// Why the file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumStateError {
    /// No JSON.
    #[error("quorum-state is no JSON: {0}")]
    Json(String),
    /// A version that this program does not know.
    #[error("quorum-state has data_version {0}, which is neither 0 nor 1")]
    Version(i64),
    /// A field that is missing or no number.
    #[error("quorum-state has no valid {0}")]
    Field(&'static str),
}

/// What is known of the quorum's last election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// Who leads; -1 if nobody is known to.
    pub leader_id: i32,
    /// In which epoch.
    pub leader_epoch: i32,
    /// For whom this node voted in it; -1 for nobody.
    pub voted_id: i32,
    /// The directory of that one.
    pub voted_directory_id: Uuid,
    /// The voters, if the quorum is a static one: then the file has the older form.
    pub static_voters: Option<Vec<i32>>,
}

impl QuorumState {
    /// The state in which a node leads.
    pub fn leading(leader: i32, epoch: i32, static_voters: Option<Vec<i32>>) -> Self {
        let voted_directory_id = Uuid::nil();
        Self { leader_id: leader, leader_epoch: epoch, voted_id: -1, voted_directory_id, static_voters }
    }

    /// The bytes of the file.
    pub fn to_json(&self) -> String {
        let Self { leader_id, leader_epoch, voted_id, .. } = self;
        match &self.static_voters {
            None => format!(
                "{{\"leaderId\":{leader_id},\"leaderEpoch\":{leader_epoch},\"votedId\":{voted_id},\"votedDirectoryId\":\"{}\",\"data_version\":1}}",
                self.voted_directory_id.to_kafka()
            ),
            Some(voters) => {
                let voters: Vec<String> = voters.iter().map(|id| format!("{{\"voterId\":{id}}}")).collect();
                format!(
                    "{{\"clusterId\":\"\",\"leaderId\":{leader_id},\"leaderEpoch\":{leader_epoch},\"votedId\":{voted_id},\"appliedOffset\":0,\"currentVoters\":[{}],\"data_version\":0}}",
                    voters.join(",")
                )
            }
        }
    }

    /// Reads the file.
    pub fn from_json(text: &str) -> Result<Self, QuorumStateError> {
        let json: Value = serde_json::from_str(text).map_err(|error| QuorumStateError::Json(error.to_string()))?;
        let number = |name: &'static str| {
            let number = json.get(name).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
            number.ok_or(QuorumStateError::Field(name))
        };
        let version =
            json.get("data_version").and_then(Value::as_i64).ok_or(QuorumStateError::Field("data_version"))?;
        let (voted_directory_id, static_voters) = match version {
            0 => {
                let voters = json.get("currentVoters").and_then(Value::as_array).into_iter().flatten();
                let id = |voter: &Value| i32::try_from(voter.get("voterId")?.as_i64()?).ok();
                (Uuid::nil(), Some(voters.filter_map(id).collect()))
            }
            1 => {
                let text = json.get("votedDirectoryId").and_then(Value::as_str).unwrap_or_default();
                (Uuid::from_kafka(text).ok_or(QuorumStateError::Field("votedDirectoryId"))?, None)
            }
            other => return Err(QuorumStateError::Version(other)),
        };
        let leader_id = number("leaderId")?;
        let leader_epoch = number("leaderEpoch")?;
        Ok(Self { leader_id, leader_epoch, voted_id: number("votedId")?, voted_directory_id, static_voters })
    }
}
