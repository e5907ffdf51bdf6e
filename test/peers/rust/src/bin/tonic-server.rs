//! Serves the behaviour contract by tonic: `tonic-server unix:/path`, or `tonic-server web 127.0.0.1:0` for gRPC-Web too.

use std::{pin::Pin, time::Duration};

use peers::{argument, ready};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Result, Status, Streaming, transport::Server};

mod generated {
    tonic::include_proto!("plugboard.test.v1");
}
use generated::{behaviour_service_server::*, *};

struct Behaviour;

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

fn failure(code: u32, message: impl Into<String>) -> Status {
    Status::new(Code::from_i32(code as i32), message)
}

#[tonic::async_trait]
impl BehaviourService for Behaviour {
    type ProduceStream = Messages<ProduceResponse>;
    type ConverseStream = Messages<ConverseResponse>;
    type MisbehaveStreamingStream = Messages<MisbehaveStreamingResponse>;

    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>> {
        let EchoRequest { text, data } = request.into_inner();
        Ok(Response::new(EchoResponse { text, data }))
    }

    async fn inspect(&self, request: Request<InspectRequest>) -> Result<Response<InspectResponse>> {
        let metadata = request.metadata();
        let header: Vec<_> = metadata.get_all("x-behaviour").iter().filter_map(|value| value.to_str().ok()).collect();
        let timeout_ms = if metadata.contains_key("grpc-timeout") { 1.0 } else { -1.0 };
        let binary_header = metadata.get_bin("x-behaviour-bin").and_then(|value| value.to_bytes().ok()).unwrap_or_default();
        Ok(Response::new(InspectResponse {
            header: header.join(", "),
            binary_header: binary_header.to_vec(),
            timeout_ms,
            protocol: "grpc".into(),
        }))
    }

    async fn fail(&self, request: Request<FailRequest>) -> Result<Response<FailResponse>> {
        let FailRequest { code, message } = request.into_inner();
        Err(failure(code, message))
    }

    async fn hang(&self, _: Request<HangRequest>) -> Result<Response<HangResponse>> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(Response::new(HangResponse {}))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<WatchResponse>> {
        Err(Status::unimplemented("this server keeps no record"))
    }

    async fn misbehave(&self, _: Request<MisbehaveRequest>) -> Result<Response<MisbehaveResponse>> {
        Err(Status::unimplemented("this server behaves"))
    }

    async fn misbehave_streaming(
        &self,
        _: Request<MisbehaveStreamingRequest>,
    ) -> Result<Response<Self::MisbehaveStreamingStream>> {
        Err(Status::unimplemented("this server behaves"))
    }

    async fn produce(&self, request: Request<ProduceRequest>) -> Result<Response<Self::ProduceStream>> {
        let ProduceRequest { count, size, fail_code, .. } = request.into_inner();
        let (sender, receiver) = mpsc::channel(8);
        tokio::spawn(async move {
            for index in 0.. {
                if count != 0 && index == count {
                    break;
                }
                if sender.send(Ok(ProduceResponse { index, data: vec![0; size as usize] })).await.is_err() {
                    return;
                }
            }
            if fail_code != 0 {
                let _ = sender.send(Err(failure(fail_code, "as asked"))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn collect(&self, request: Request<Streaming<CollectRequest>>) -> Result<Response<CollectResponse>> {
        let mut requests = request.into_inner();
        let mut sum = CollectResponse::default();
        while let Some(message) = requests.next().await {
            sum.messages += 1;
            sum.bytes += message?.data.len() as u64;
        }
        Ok(Response::new(sum))
    }

    async fn converse(&self, request: Request<Streaming<ConverseRequest>>) -> Result<Response<Self::ConverseStream>> {
        let mut index = 0;
        let responses = request.into_inner().map(move |message| {
            let ConverseRequest { text, .. } = message?;
            index += 1;
            Ok(ConverseResponse { text, index: index - 1 })
        });
        Ok(Response::new(Box::pin(responses)))
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let service = BehaviourServiceServer::new(Behaviour);
    let place = argument(1);
    if let Some(path) = place.strip_prefix("unix:") {
        let listener = tokio::net::UnixListener::bind(path)?;
        ready();
        let connections = tokio_stream::wrappers::UnixListenerStream::new(listener);
        Server::builder().add_service(service).serve_with_incoming(connections).await?;
    } else {
        let listener = tokio::net::TcpListener::bind(argument(2)).await?;
        println!("{}", listener.local_addr()?);
        ready();
        let connections = tokio_stream::wrappers::TcpListenerStream::new(listener);
        Server::builder()
            .accept_http1(true)
            .layer(tonic_web::GrpcWebLayer::new())
            .add_service(service)
            .serve_with_incoming(connections)
            .await?;
    }
    Ok(())
}
