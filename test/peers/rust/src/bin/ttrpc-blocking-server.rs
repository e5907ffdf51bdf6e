//! Serves the unary methods of the behaviour contract by ttrpc-rust's blocking server: `ttrpc-blocking-server unix:///path`.

use std::{sync::Arc, thread, time::Duration};

use peers::{argument, ready};
use ttrpc::{Result, Status, TtrpcContext};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/blocking/modules.rs"));
}
use generated::{behaviour::*, behaviour_ttrpc::*};

struct Behaviour;

impl BehaviourService for Behaviour {
    fn echo(&self, _: &TtrpcContext, request: EchoRequest) -> Result<EchoResponse> {
        Ok(EchoResponse { text: request.text, data: request.data, ..Default::default() })
    }

    fn inspect(&self, context: &TtrpcContext, _: InspectRequest) -> Result<InspectResponse> {
        let header = context.metadata.get("x-behaviour").map(|values| values.join(", ")).unwrap_or_default();
        Ok(InspectResponse { header, timeout_ms: context.timeout_nano as f64 / 1e6, ..Default::default() })
    }

    fn fail(&self, _: &TtrpcContext, request: FailRequest) -> Result<FailResponse> {
        let mut status = Status::new();
        status.code = protobuf::EnumOrUnknown::from_i32(request.code as i32);
        status.message = request.message;
        Err(ttrpc::Error::RpcStatus(status))
    }

    fn hang(&self, _: &TtrpcContext, _: HangRequest) -> Result<HangResponse> {
        thread::sleep(Duration::from_secs(2));
        Ok(HangResponse::new())
    }
}

fn main() -> Result<()> {
    let service = create_behaviour_service(Arc::new(Behaviour));
    let mut server = ttrpc::Server::new().bind(&argument(1))?.register_service(service);
    server.start()?;
    ready();
    loop {
        thread::park();
    }
}
