//! Calls the unary methods of the behaviour contract by ttrpc-rust's blocking client: `ttrpc-blocking-client unix:///path`.

use std::{sync::Arc, thread, time::Duration};

use peers::{argument, check};
use ttrpc::{Client, Code, Error, Request, context};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/blocking/modules.rs"));
}
use generated::{behaviour::*, behaviour_ttrpc::*};

fn within(seconds: u64) -> context::Context {
    context::with_duration(Duration::from_secs(seconds))
}

fn main() -> ttrpc::Result<()> {
    let client = Arc::new(BehaviourServiceClient::new(Client::connect(&argument(1))?));

    let echo = EchoRequest { text: "grüße".into(), data: vec![7; 3 << 20], ..Default::default() };
    let response = client.echo(within(10), &echo);
    check(
        "a unary call carries 3 MiB",
        matches!(&response, Ok(echoed) if echoed.text == echo.text && echoed.data == echo.data),
        response.err(),
    );

    for code in 1..=16 {
        let request = FailRequest { code, message: format!("message {code}"), ..Default::default() };
        let error = client.fail(within(10), &request).err();
        let fits = |error: &Error| match error {
            Error::RpcStatus(status) => {
                status.code.value() == code as i32 && status.message == request.message && status.details.len() == 1
            }
            _ => false,
        };
        check(&format!("error code {code} arrives with message and details"), error.as_ref().is_some_and(fits), error);
    }

    let mut context = within(10);
    context.add("x-behaviour".into(), "one".into());
    let response = client.inspect(context, &InspectRequest::new());
    check(
        "metadata and the deadline arrive",
        matches!(&response, Ok(seen) if seen.header == "one" && seen.timeout_ms > 0.0),
        response,
    );

    let request = HangRequest { id: "ttrpc-blocking-client".into(), ..Default::default() };
    let error = client.hang(context::with_duration(Duration::from_millis(200)), &request).err();
    check("a call ends at its deadline", error.is_some(), error);

    let mut request = Request::new();
    request.service = "no.such.Service".into();
    request.method = "Method".into();
    request.timeout_nano = 10_000_000_000;
    let error = Client::connect(&argument(1))?.request(request).err();
    let unimplemented = |error: &Error| matches!(error, Error::RpcStatus(status) if status.code() == Code::UNIMPLEMENTED);
    check("an unknown service is unimplemented", error.as_ref().is_some_and(unimplemented), error);

    let callers: Vec<_> = (0..8)
        .map(|thread| {
            let client = Arc::clone(&client);
            thread::spawn(move || {
                let request = EchoRequest { text: format!("thread {thread}"), ..Default::default() };
                (0..50).all(|_| client.echo(within(10), &request).is_ok_and(|response| response.text == request.text))
            })
        })
        .collect();
    let good = callers.into_iter().filter_map(|caller| caller.join().ok()).filter(|&good| good).count();
    check("eight threads share a connection", good == 8, good);
    Ok(())
}
