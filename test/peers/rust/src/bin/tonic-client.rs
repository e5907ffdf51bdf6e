//! Calls the behaviour contract by tonic: `tonic-client unix:/path` or `tonic-client http://host:port`.

use std::time::Duration;

use peers::{argument, check};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Request, Status, codec::CompressionEncoding, metadata::MetadataValue, transport::Endpoint};

mod generated {
    tonic::include_proto!("plugboard.test.v1");
}
use generated::{behaviour_service_client::*, *};

type Client = BehaviourServiceClient<tonic::transport::Channel>;

/// How many messages a stream has, and what ended it.
async fn drain(client: &mut Client, request: ProduceRequest) -> (u32, Option<Status>) {
    let mut count = 0;
    let mut stream = match client.produce(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return (count, Some(status)),
    };
    while let Some(message) = stream.next().await {
        match message {
            Ok(message) if message.index == count => count += 1,
            Ok(_) => return (u32::MAX, None),
            Err(status) => return (count, Some(status)),
        }
    }
    (count, None)
}

async fn converse(client: &mut Client) -> Result<u32, Status> {
    let (sender, requests) = tokio::sync::mpsc::channel(1);
    let text = |index: u32| ConverseRequest { text: format!("text {index}"), ..Default::default() };
    let _ = sender.send(text(0)).await;
    let mut responses = client.converse(ReceiverStream::new(requests)).await?.into_inner();
    let mut index = 0;
    while let Some(response) = responses.next().await {
        if response?.text != text(index).text {
            break;
        }
        index += 1;
        if index == 20 {
            break;
        }
        let _ = sender.send(text(index)).await;
    }
    Ok(index)
}

async fn run(mut client: Client, kind: &str) {
    let check = |name: &str, ok, detail: &dyn std::fmt::Debug| check(&format!("{kind}: {name}"), ok, detail);

    let echo = EchoRequest { text: "grüße".into(), data: vec![1; 500_000] };
    let response = client.echo(echo.clone()).await;
    let whole = matches!(&response, Ok(echoed) if echoed.get_ref().text == echo.text && echoed.get_ref().data == echo.data);
    check("a unary call carries 500 kB", whole, &response.err());

    for code in 1..=16 {
        let error = client.fail(FailRequest { code, message: "grüße".into() }).await.err();
        let fits = |status: &Status| {
            status.code() as u32 == code
                && status.message() == "grüße"
                && status.metadata().get("x-error").is_some()
                && !status.details().is_empty()
        };
        let ok = error.as_ref().is_some_and(fits);
        check(&format!("error code {code} arrives with message, metadata and details"), ok, &error);
    }

    let mut request = Request::new(InspectRequest {});
    request.metadata_mut().insert("x-behaviour", MetadataValue::from_static("one"));
    request.metadata_mut().insert_bin("x-behaviour-bin", MetadataValue::from_bytes(&[0, 1, 255]));
    request.set_timeout(Duration::from_secs(10));
    let response = client.inspect(request).await;
    let seen = |response: &tonic::Response<InspectResponse>| {
        let message = response.get_ref();
        message.header == "one"
            && message.binary_header == [0, 1, 255]
            && message.timeout_ms > 0.0
            && response.metadata().get("x-response").is_some()
    };
    check("metadata and the deadline arrive", response.as_ref().is_ok_and(seen), &response);

    let mut request = Request::new(HangRequest { id: format!("tonic {kind}") });
    request.set_timeout(Duration::from_millis(200));
    let error = client.hang(request).await.err();
    let ended = |status: &Status| matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
    check("a call ends at its deadline", error.as_ref().is_some_and(ended), &error);

    let whole = drain(&mut client, ProduceRequest { count: 300, size: 5000, ..Default::default() }).await;
    check("a server stream arrives whole", matches!(whole, (300, None)), &whole);
    let failed = drain(&mut client, ProduceRequest { count: 3, fail_code: 9, ..Default::default() }).await;
    let as_asked = matches!(&failed, (3, Some(status)) if status.code() == Code::FailedPrecondition);
    check("a server stream fails after its messages", as_asked, &failed);

    let requests = (0..100).map(|_| CollectRequest { data: vec![0; 1000], ..Default::default() });
    let sum = client.collect(tokio_stream::iter(requests)).await;
    check("a client stream arrives whole", matches!(&sum, Ok(sum) if sum.get_ref().messages == 100), &sum);
    let exchanged = converse(&mut client).await;
    check("both sides converse", matches!(exchanged, Ok(20)), &exchanged);

    let error = client.echo(EchoRequest { data: vec![1; 5 << 20], ..Default::default() }).await.err();
    let too_large = |status: &Status| status.code() == Code::ResourceExhausted;
    check("a message over the limit is refused", error.as_ref().is_some_and(too_large), &error);

    let calls: Vec<_> = (0..500)
        .map(|number| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let text = number.to_string();
                let response = client.echo(EchoRequest { text: text.clone(), ..Default::default() }).await;
                response.is_ok_and(|response| response.get_ref().text == text)
            })
        })
        .collect();
    let mut good = 0;
    for call in calls {
        good += u32::from(call.await.unwrap_or(false));
    }
    check("five hundred calls run at once", good == 500, &good);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let channel = Endpoint::from_shared(argument(1))?.connect().await?;
    let client = BehaviourServiceClient::new(channel);
    run(client.clone(), "plain").await;
    let gzip = client.send_compressed(CompressionEncoding::Gzip).accept_compressed(CompressionEncoding::Gzip);
    run(gzip, "gzip").await;
    Ok(())
}
