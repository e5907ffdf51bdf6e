//! Calls the behaviour contract by ttrpc-rust's asynchronous client: `ttrpc-client unix:///path`.

use std::time::Duration;

use peers::{argument, check};
use ttrpc::{Error, context, r#async::Client};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/asynchronous/modules.rs"));
}
use generated::{behaviour::*, behaviour_ttrpc::*};

fn within(seconds: u64) -> context::Context {
    context::with_duration(Duration::from_secs(seconds))
}

/// How many messages a stream has, and what ended it.
async fn drain(client: &BehaviourServiceClient, request: ProduceRequest) -> (u32, Option<Error>) {
    let mut count = 0;
    let mut stream = match client.produce(within(10), &request).await {
        Ok(stream) => stream,
        Err(error) => return (count, Some(error)),
    };
    loop {
        match stream.recv().await {
            Ok(Some(message)) if message.index == count => count += 1,
            Ok(Some(_)) => return (u32::MAX, None),
            Ok(None) => return (count, None),
            Err(error) => return (count, Some(error)),
        }
    }
}

async fn collect(client: &BehaviourServiceClient, messages: u32) -> ttrpc::Result<(u32, u64)> {
    let mut stream = client.collect(within(10)).await?;
    for _ in 0..messages {
        stream.send(&CollectRequest { data: vec![0; 1000], ..Default::default() }).await?;
    }
    let sum = stream.close_and_recv().await?;
    Ok((sum.messages, sum.bytes))
}

async fn converse(client: &BehaviourServiceClient) -> ttrpc::Result<u32> {
    let mut stream = client.converse(within(10)).await?;
    for index in 0..20 {
        let text = format!("text {index}");
        stream.send(&ConverseRequest { text: text.clone(), ..Default::default() }).await?;
        let response = stream.recv().await?;
        if response.text != text || response.index != index {
            return Ok(index);
        }
    }
    stream.close_send().await?;
    Ok(20)
}

// On one thread: requests of several leave ttrpc-rust in another order than that of their ids now and then, which containerd's
// server refuses, and ours.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ttrpc::Result<()> {
    let client = BehaviourServiceClient::new(Client::connect(&argument(1)).await?);

    let echo = EchoRequest { text: "grüße".into(), data: vec![7; 3 << 20], ..Default::default() };
    let response = client.echo(within(10), &echo).await;
    check(
        "a unary call carries 3 MiB",
        matches!(&response, Ok(echoed) if echoed.text == echo.text && echoed.data == echo.data),
        response.err(),
    );

    for code in 1..=16 {
        let request = FailRequest { code, message: format!("message {code}"), ..Default::default() };
        let error = client.fail(within(10), &request).await.err();
        let fits = |error: &Error| match error {
            Error::RpcStatus(status) => status.code.value() == code as i32 && status.message == request.message,
            _ => false,
        };
        check(&format!("error code {code} arrives"), error.as_ref().is_some_and(fits), error);
    }

    let request = HangRequest { id: "ttrpc-client".into(), ..Default::default() };
    let error = client.hang(context::with_duration(Duration::from_millis(200)), &request).await.err();
    check("a call ends at its deadline", error.is_some(), error);

    let small = drain(&client, ProduceRequest { count: 200, size: 1000, ..Default::default() }).await;
    check("a server stream arrives whole", matches!(small, (200, None)), small);
    let large = drain(&client, ProduceRequest { count: 300, size: 65536, ..Default::default() }).await;
    check("a server stream of 20 MB arrives whole", matches!(large, (300, None)), large);
    let failed = drain(&client, ProduceRequest { count: 3, fail_code: 9, ..Default::default() }).await;
    check(
        "a server stream fails after its messages",
        matches!(&failed, (3, Some(Error::RpcStatus(status))) if status.code.value() == 9),
        failed,
    );

    let sum = collect(&client, 50).await;
    check("a client stream arrives whole", matches!(sum, Ok((50, 50_000))), sum);
    let sum = collect(&client, 0).await;
    check("an empty client stream stays empty", matches!(sum, Ok((0, 0))), sum);
    let exchanged = converse(&client).await;
    check("both sides converse", matches!(exchanged, Ok(20)), exchanged);

    let endless = client.produce(within(10), &ProduceRequest { size: 10, ..Default::default() }).await;
    if let Ok(mut stream) = endless {
        for _ in 0..5 {
            let _ = stream.recv().await;
        }
    }
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let request = EchoRequest { text: number.to_string(), ..Default::default() };
                client.echo(within(10), &request).await.is_ok_and(|response| response.text == request.text)
            })
        })
        .collect();
    let mut good = 0;
    for call in calls {
        good += u32::from(call.await.unwrap_or(false));
    }
    check("a hundred calls at once run beside a stream that was dropped", good == 100, good);
    Ok(())
}
