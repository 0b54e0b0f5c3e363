//! What clients upload: Python files, archives, rows too large for a plan (`cache/<hash>`).

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use spark_connect_proto::{
    self as proto,
    add_artifacts_request::{ArtifactChunk, Payload},
    add_artifacts_response::ArtifactSummary,
};
use tonic::{Status, Streaming};

use super::{limits::ARTIFACT_BYTES_MAX, session::DoorSession};

/// An artifact that comes in several messages.
struct Partial {
    name: String,
    content: BytesMut,
    bytes: usize,
    chunks_missing: i64,
    is_crc_right: bool,
}

/// Takes in the stream of one upload.
pub(super) async fn receive(
    mut requests: Streaming<proto::AddArtifactsRequest>,
    session_of: impl Fn(&proto::AddArtifactsRequest) -> Result<Arc<DoorSession>, Status>,
) -> Result<proto::AddArtifactsResponse, Status> {
    let mut session: Option<Arc<DoorSession>> = None;
    let mut summaries = Vec::new();
    let mut partial: Option<Partial> = None;
    while let Some(request) = requests.message().await? {
        let session = match &session {
            Some(session) => session,
            None => session.insert(session_of(&request)?),
        };
        match request.payload {
            None => return Err(Status::invalid_argument("an artifact request without a payload")),
            Some(_) if partial.is_some() != matches!(request.payload, Some(Payload::Chunk(_))) => {
                return Err(Status::invalid_argument("an artifact in chunks was not continued as one"));
            }
            Some(Payload::Batch(batch)) => {
                for artifact in batch.artifacts {
                    let chunk = artifact.data.unwrap_or_default();
                    let is_crc_right = is_crc_right(&chunk);
                    summaries.push(store(session, artifact.name, chunk.data, is_crc_right)?);
                }
            }
            Some(Payload::BeginChunk(begin)) => {
                let bytes = usize::try_from(begin.total_bytes)
                    .ok()
                    .filter(|bytes| *bytes <= ARTIFACT_BYTES_MAX)
                    .ok_or_else(too_large)?;
                let mut started = Partial {
                    name: begin.name,
                    content: BytesMut::new(),
                    bytes,
                    chunks_missing: begin.num_chunks,
                    is_crc_right: true,
                };
                add(&mut started, &begin.initial_chunk.unwrap_or_default())?;
                partial = Some(started);
            }
            Some(Payload::Chunk(chunk)) => {
                if let Some(partial) = &mut partial {
                    add(partial, &chunk)?;
                }
            }
        }
        if let Some(done) = partial.take_if(|partial| partial.chunks_missing <= 0) {
            if done.content.len() != done.bytes {
                return Err(Status::invalid_argument(format!("the chunks of {} are not of its size", done.name)));
            }
            summaries.push(store(session, done.name, done.content.freeze(), done.is_crc_right)?);
        }
    }
    if partial.is_some() {
        return Err(Status::invalid_argument("an artifact in chunks was not completed"));
    }
    let session = session.ok_or_else(|| Status::invalid_argument("an upload without artifacts"))?;
    Ok(proto::AddArtifactsResponse {
        session_id: session.id(),
        server_side_session_id: session.server_side_id.clone(),
        artifacts: summaries,
    })
}

fn add(partial: &mut Partial, chunk: &ArtifactChunk) -> Result<(), Status> {
    if partial.content.len() + chunk.data.len() > partial.bytes {
        return Err(Status::invalid_argument(format!("the chunks of {} are larger than it is", partial.name)));
    }
    partial.is_crc_right &= is_crc_right(chunk);
    partial.content.extend_from_slice(&chunk.data);
    partial.chunks_missing -= 1;
    Ok(())
}

fn store(session: &DoorSession, name: String, data: Bytes, is_crc_right: bool) -> Result<ArtifactSummary, Status> {
    // Names are paths below the session's own folder and never leave it.
    let is_inside = !name.is_empty()
        && std::path::Path::new(&name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_inside {
        return Err(Status::invalid_argument(format!("{name} is no name of an artifact")));
    }
    if is_crc_right {
        let mut artifacts = session.artifacts.lock();
        let held: usize = artifacts.values().map(Bytes::len).sum();
        if held + data.len() > ARTIFACT_BYTES_MAX {
            return Err(too_large());
        }
        artifacts.insert(name.clone(), data);
    }
    Ok(ArtifactSummary { name, is_crc_successful: is_crc_right })
}

fn too_large() -> Status {
    Status::resource_exhausted(format!("the artifacts of a session may have {ARTIFACT_BYTES_MAX} bytes"))
}

/// CRC-32 as zlib computes it.
fn is_crc_right(chunk: &ArtifactChunk) -> bool {
    let mut crc = u32::MAX;
    for byte in &chunk.data {
        crc = CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8);
    }
    i64::from(!crc) == chunk.crc
}

static CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_zlibs() {
        let chunk = ArtifactChunk { data: Bytes::from_static(b"123456789"), crc: 0xcbf4_3926 };
        assert!(is_crc_right(&chunk));
        assert!(!is_crc_right(&ArtifactChunk { crc: 1, ..chunk }));
    }
}
