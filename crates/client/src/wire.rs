//! One broker's connection in Kafka's terms: versions agreed on, requests encoded, responses decoded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use andiron_protocol::error::ErrorCode;
use andiron_protocol::kafka::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};
use andiron_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader};
use bytes::{Bytes, BytesMut};

use crate::transport::{Connection, PendingResponse, RequestFrame, TransportError};

/// Why a call on one connection brought no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The broker offers no version of the API that we speak: asking again does not help.
    #[error("The node does not support {0:?}")]
    Unsupported(ApiKey),
    /// An answer that cannot be decoded, or a request that cannot be encoded.
    #[error("{0}")]
    Protocol(String),
}

/// The error of a code in an answer; a code that nobody knows is the unknown error, as in Java.
pub(crate) fn error_code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

/// A connection whose broker has said what it understands.
pub(crate) struct BrokerConnection {
    connection: Arc<dyn Connection>,
    client_id: StrBytes,
    correlation: AtomicI32,
    versions: HashMap<i16, (i16, i16)>,
    /// The finalized features of the cluster.
    features: HashMap<String, i16>,
    request_timeout: Duration,
}

impl std::fmt::Debug for BrokerConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerConnection").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl BrokerConnection {
    /// Asks for the broker's versions over a fresh connection.
    pub(crate) async fn negotiate(
        connection: Arc<dyn Connection>,
        client_id: &str,
        request_timeout: Duration,
    ) -> Result<Self, CallError> {
        let mut broker = BrokerConnection {
            connection,
            client_id: StrBytes::from_string(client_id.to_owned()),
            correlation: AtomicI32::new(0),
            versions: HashMap::new(),
            features: HashMap::new(),
            request_timeout,
        };
        let newest = ApiVersionsRequest::VERSIONS.max.min(ApiVersionsResponse::VERSIONS.max);
        let mut answer = broker.ask_versions(newest).await?;
        if error_code(answer.error_code) == ErrorCode::UnsupportedVersion {
            // An older broker lists its own range in the oldest layout; one that does not list it speaks version 0.
            let theirs = answer.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions as i16);
            answer = broker.ask_versions(theirs.map_or(0, |api| api.max_version.clamp(0, newest))).await?;
        }
        match error_code(answer.error_code) {
            ErrorCode::None => {}
            code => return Err(CallError::Protocol(format!("ApiVersions: {code}"))),
        }
        broker.versions = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        let finalized = answer.finalized_features.iter();
        broker.features = finalized.map(|feature| (feature.name.to_string(), feature.max_version_level)).collect();
        Ok(broker)
    }

    /// The level of a feature that the cluster has agreed on, 0 if it has not.
    pub(crate) fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    async fn ask_versions(&self, version: i16) -> Result<ApiVersionsResponse, CallError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("andiron"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let frame = self.encode(version, &request)?;
        let pending = self.send(frame).await?;
        let mut body = self.wait(pending).await?.split_off(4);
        // The error tells the layout: UNSUPPORTED_VERSION is always answered in version 0 (KIP-511).
        let unsupported = body
            .first_chunk::<2>()
            .is_some_and(|code| error_code(i16::from_be_bytes(*code)) == ErrorCode::UnsupportedVersion);
        decode_body(&mut body, if unsupported { 0 } else { version })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    pub(crate) fn close(&self) {
        self.connection.close();
    }

    /// The newest version of an API that both sides speak.
    pub(crate) fn version<R: Request>(&self) -> Result<i16, CallError> {
        let key = ApiKey::try_from(R::KEY).map_err(|()| CallError::Protocol(format!("no API {}", R::KEY)))?;
        let (least, most) = self.versions.get(&R::KEY).copied().ok_or(CallError::Unsupported(key))?;
        let (request, response) = (R::VERSIONS, <R::Response as Message>::VERSIONS);
        let version = most.min(request.max).min(response.max);
        if version < least.max(request.min).max(response.min) {
            return Err(CallError::Unsupported(key));
        }
        Ok(version)
    }

    /// The next number by which an answer is matched.
    pub(crate) fn next_correlation_id(&self) -> i32 {
        self.correlation.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    /// What this client calls itself in request headers.
    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    fn encode<R: Request>(&self, version: i16, request: &R) -> Result<RequestFrame, CallError> {
        let correlation_id = self.next_correlation_id();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(correlation_id)
            .with_client_id(Some(self.client_id.clone()));
        let broken = |e| CallError::Protocol(format!("a request of API {} cannot be written: {e}", R::KEY));
        let mut bytes = BytesMut::new();
        header.encode(&mut bytes, R::header_version(version)).map_err(broken)?;
        request.encode(&mut bytes, version).map_err(broken)?;
        Ok(RequestFrame {
            api_key: R::KEY,
            api_version: version,
            correlation_id,
            expects_response: true,
            parts: vec![bytes.freeze()],
        })
    }

    /// Hands a frame over; the answer is for [`BrokerConnection::wait`].
    pub(crate) async fn send(&self, frame: RequestFrame) -> Result<PendingResponse, CallError> {
        Ok(self.connection.send(frame).await?)
    }

    /// Waits for an answer within `request.timeout.ms`; a connection that does not answer is closed, as nothing behind it would be.
    pub(crate) async fn wait(&self, pending: PendingResponse) -> Result<Bytes, CallError> {
        self.wait_for(pending, self.request_timeout).await
    }

    async fn wait_for(&self, pending: PendingResponse, timeout: Duration) -> Result<Bytes, CallError> {
        let answer = match tokio::time::timeout(timeout, pending).await {
            Ok(answer) => answer?,
            Err(_) => {
                self.close();
                return Err(TransportError::TimedOut { timeout_ms: timeout.as_millis() as u64 }.into());
            }
        };
        if answer.len() < 4 {
            self.close();
            return Err(CallError::Protocol("a response without a header".to_owned()));
        }
        Ok(answer)
    }

    /// Asks in the newest common version.
    pub(crate) async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_in::<R>(self.version::<R>()?, request).await
    }

    /// Asks in the given version.
    pub(crate) async fn call_in<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, CallError> {
        let pending = self.send(self.encode(version, request)?).await?;
        decode_response::<R>(self.wait(pending).await?, version)
    }

    /// Asks something whose layout depends on the version.
    pub(crate) async fn call_with<R: Request>(&self, request: impl FnOnce(i16) -> R) -> Result<R::Response, CallError> {
        let version = self.version::<R>()?;
        self.call_in(version, &request(version)).await
    }

    /// Asks something that the broker may think about for `patience` before its time is counted.
    pub(crate) async fn call_patiently<R: Request>(
        &self,
        version: i16,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, CallError> {
        let pending = self.send(self.encode(version, request)?).await?;
        decode_response::<R>(self.wait_for(pending, self.request_timeout + patience).await?, version)
    }
}

/// Decodes header and body of an answer to `R`.
pub(crate) fn decode_response<R: Request>(mut answer: Bytes, version: i16) -> Result<R::Response, CallError> {
    ResponseHeader::decode(&mut answer, <R::Response as HeaderVersion>::header_version(version))
        .map_err(|e| CallError::Protocol(format!("a response header that cannot be read: {e}")))?;
    decode_body(&mut answer, version)
}

fn decode_body<T: Decodable>(body: &mut Bytes, version: i16) -> Result<T, CallError> {
    T::decode(body, version).map_err(|e| CallError::Protocol(format!("a response that cannot be read: {e}")))
}
