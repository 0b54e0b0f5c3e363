//! What tonic would generate for a server of Spark Connect: the crate of Spark's messages carries only a client.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use spark_connect_proto as proto;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::{Grpc, NamedService},
};

use super::{codec::ConnectCodec, door::Door, limits::MESSAGE_BYTES_MAX};

/// The service on the wire.
#[derive(Clone)]
pub(super) struct ConnectService {
    door: Arc<Door>,
}

impl ConnectService {
    pub(super) fn new(door: Arc<Door>) -> Self {
        Self { door }
    }
}

impl NamedService for ConnectService {
    const NAME: &'static str = "spark.connect.SparkConnectService";
}

/// A handler as the service that tonic wants.
struct Handler<F>(F);

impl<F, In, Out, Answer> Service<Request<In>> for Handler<F>
where
    F: FnMut(Request<In>) -> Answer,
    Answer: Future<Output = Result<Response<Out>, Status>> + Send + 'static,
{
    type Response = Response<Out>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<In>) -> Answer {
        (self.0)(request)
    }
}

fn grpc<Out, In>() -> Grpc<ConnectCodec<Out, In>>
where
    Out: prost::Message + Send + 'static,
    In: prost::Message + Default + Send + 'static,
{
    Grpc::new(ConnectCodec::new())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// One request, one answer.
macro_rules! unary {
    ($door:expr, $request:expr, $input:ty => $output:ty, $method:ident) => {
        Box::pin(async move {
            let handler = Handler(move |request: Request<$input>| {
                let door = Arc::clone(&$door);
                async move { door.$method(request.into_inner()).await.map(Response::new) }
            });
            Ok(grpc::<$output, $input>().unary(handler, $request).await)
        })
    };
}

/// One request, a stream of answers.
macro_rules! streaming {
    ($door:expr, $request:expr, $input:ty => $output:ty, $method:ident) => {
        Box::pin(async move {
            let handler = Handler(move |request: Request<$input>| {
                let door = Arc::clone(&$door);
                async move { door.$method(request.into_inner()).await.map(Response::new) }
            });
            Ok(grpc::<$output, $input>().server_streaming(handler, $request).await)
        })
    };
}

impl Service<http::Request<Body>> for ConnectService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        use proto as p;
        let door = Arc::clone(&self.door);
        let method = request.uri().path().rsplit('/').next().unwrap_or("").to_owned();
        match method.as_str() {
            "Config" => unary!(door, request, p::ConfigRequest => p::ConfigResponse, config),
            "AnalyzePlan" => unary!(door, request, p::AnalyzePlanRequest => p::AnalyzePlanResponse, analyze_plan),
            "ExecutePlan" => {
                streaming!(door, request, p::ExecutePlanRequest => p::ExecutePlanResponse, execute_plan)
            }
            "ReattachExecute" => {
                streaming!(door, request, p::ReattachExecuteRequest => p::ExecutePlanResponse, reattach_execute)
            }
            "ReleaseExecute" => {
                unary!(door, request, p::ReleaseExecuteRequest => p::ReleaseExecuteResponse, release_execute)
            }
            "ReleaseSession" => {
                unary!(door, request, p::ReleaseSessionRequest => p::ReleaseSessionResponse, release_session)
            }
            "Interrupt" => unary!(door, request, p::InterruptRequest => p::InterruptResponse, interrupt),
            "ArtifactStatus" => {
                unary!(door, request, p::ArtifactStatusesRequest => p::ArtifactStatusesResponse, artifact_status)
            }
            "FetchErrorDetails" => unary!(
                door, request, p::FetchErrorDetailsRequest => p::FetchErrorDetailsResponse, fetch_error_details
            ),
            "CloneSession" => unary!(door, request, p::CloneSessionRequest => p::CloneSessionResponse, clone_session),
            "GetStatus" => unary!(door, request, p::GetStatusRequest => p::GetStatusResponse, get_status),
            "AddArtifacts" => Box::pin(async move {
                let handler = Handler(move |request: Request<Streaming<p::AddArtifactsRequest>>| {
                    let door = Arc::clone(&door);
                    async move { door.add_artifacts(request.into_inner()).await.map(Response::new) }
                });
                let mut grpc = grpc::<p::AddArtifactsResponse, p::AddArtifactsRequest>();
                Ok(grpc.client_streaming(handler, request).await)
            }),
            _ => Box::pin(async move {
                let text = format!("Method not found: spark.connect.SparkConnectService/{method}");
                Ok(Status::unimplemented(text).into_http())
            }),
        }
    }
}
