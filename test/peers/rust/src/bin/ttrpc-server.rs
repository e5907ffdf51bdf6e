//! Serves the behaviour contract by ttrpc-rust's asynchronous server: `ttrpc-server unix:///path`.

use std::{sync::Arc, time::Duration};

use peers::{argument, ready};
use ttrpc::{
    Error, Result, Status,
    r#async::{ServerStream, ServerStreamReceiver, ServerStreamSender, TtrpcContext},
};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/asynchronous/modules.rs"));
}
use generated::{behaviour::*, behaviour_ttrpc::*};

struct Behaviour;

fn failure(code: u32, message: String) -> Error {
    let mut status = Status::new();
    status.code = protobuf::EnumOrUnknown::from_i32(code as i32);
    status.message = message;
    Error::RpcStatus(status)
}

#[async_trait::async_trait]
impl BehaviourService for Behaviour {
    async fn echo(&self, _: &TtrpcContext, request: EchoRequest) -> Result<EchoResponse> {
        Ok(EchoResponse { text: request.text, data: request.data, ..Default::default() })
    }

    async fn inspect(&self, context: &TtrpcContext, _: InspectRequest) -> Result<InspectResponse> {
        let header = context.metadata.get("x-behaviour").map(|values| values.join(", ")).unwrap_or_default();
        Ok(InspectResponse { header, timeout_ms: context.timeout_nano as f64 / 1e6, ..Default::default() })
    }

    async fn fail(&self, _: &TtrpcContext, request: FailRequest) -> Result<FailResponse> {
        Err(failure(request.code, request.message))
    }

    async fn hang(&self, _: &TtrpcContext, _: HangRequest) -> Result<HangResponse> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(HangResponse::new())
    }

    async fn produce(
        &self,
        _: &TtrpcContext,
        request: ProduceRequest,
        stream: ServerStreamSender<ProduceResponse>,
    ) -> Result<()> {
        for index in 0..request.count {
            let data = vec![0; request.size as usize];
            stream.send(&ProduceResponse { index, data, ..Default::default() }).await?;
        }
        match request.fail_code {
            0 => Ok(()),
            code => Err(failure(code, "as asked".into())),
        }
    }

    async fn collect(
        &self,
        _: &TtrpcContext,
        mut stream: ServerStreamReceiver<CollectRequest>,
    ) -> Result<CollectResponse> {
        let mut sum = CollectResponse::new();
        while let Some(request) = stream.recv().await? {
            sum.messages += 1;
            sum.bytes += request.data.len() as u64;
        }
        Ok(sum)
    }

    async fn converse(
        &self,
        _: &TtrpcContext,
        mut stream: ServerStream<ConverseResponse, ConverseRequest>,
    ) -> Result<()> {
        let mut index = 0;
        while let Some(request) = stream.recv().await? {
            stream.send(&ConverseResponse { text: request.text, index, ..Default::default() }).await?;
            index += 1;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = create_behaviour_service(Arc::new(Behaviour));
    let mut server = ttrpc::r#async::Server::new().bind(&argument(1))?.register_service(service);
    server.start().await?;
    ready();
    std::future::pending().await
}
