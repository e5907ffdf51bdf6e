package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

func call(methods protoreflect.MethodDescriptors, target, protocol string) error {
	base := target
	if strings.HasPrefix(target, "unix:") {
		base = "http://localhost"
	}
	var options []connect.ClientOption
	switch protocol {
	case "grpc":
		options = append(options, connect.WithGRPC())
	case "grpc-web":
		options = append(options, connect.WithGRPCWeb())
	}
	http1, http2 := httpClient(target, false), httpClient(target, true)
	client := func(name protoreflect.Name, bidi bool) *connect.Client[message, message] {
		chosen := http1
		if protocol == "grpc" || bidi {
			chosen = http2
		}
		all := append([]connect.ClientOption{
			connect.WithSchema(methods.ByName(name)),
			connect.WithResponseInitializer(initialize),
		}, options...)
		return connect.NewClient[message, message](chosen, fmt.Sprintf("%s/%s/%s", base, service, name), all...)
	}
	input := func(name protoreflect.Name) *message { return dynamicpb.NewMessage(methods.ByName(name).Input()) }
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	echo := client("Echo", false)
	in := input("Echo")
	data := bytes.Repeat([]byte{1, 2, 3}, 100_000)
	set(in, "text", "grüße")
	set(in, "data", data)
	response, err := echo.CallUnary(ctx, connect.NewRequest(in))
	whole := err == nil && field(response.Msg, "text").String() == "grüße" && bytes.Equal(field(response.Msg, "data").Bytes(), data)
	check("a unary call carries 300 kB", whole, err)

	for code := uint32(1); code <= 16; code++ {
		in := input("Fail")
		set(in, "code", code)
		set(in, "message", "grüße")
		_, err := client("Fail", false).CallUnary(ctx, connect.NewRequest(in))
		var failed *connect.Error
		ok := errors.As(err, &failed) && failed.Code() == connect.Code(code) && failed.Message() == "grüße" &&
			len(failed.Details()) == 1 && failed.Meta().Get("x-error") == "metadata"
		check(fmt.Sprintf("error code %d arrives with message, details and metadata", code), ok, err)
	}

	request := connect.NewRequest(input("Inspect"))
	request.Header().Set("x-behaviour", "one")
	response, err = client("Inspect", false).CallUnary(ctx, request)
	seen := err == nil && field(response.Msg, "header").String() == "one" && field(response.Msg, "timeout_ms").Float() > 0 &&
		response.Header().Get("x-response") == "header" && response.Trailer().Get("x-response-trailer") == "trailer"
	check("metadata and the deadline arrive, headers and trailers come back", seen, err)

	in = input("Hang")
	set(in, "id", "connect-go "+protocol)
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	_, err = client("Hang", false).CallUnary(short, connect.NewRequest(in))
	stop()
	check("a call ends at its deadline", connect.CodeOf(err) == connect.CodeDeadlineExceeded, err)

	drain := func(count, size, failCode uint32) (uint32, error) {
		in := input("Produce")
		set(in, "count", count)
		set(in, "size", size)
		set(in, "fail_code", failCode)
		stream, err := client("Produce", false).CallServerStream(ctx, connect.NewRequest(in))
		if err != nil {
			return 0, err
		}
		defer stream.Close()
		received := uint32(0)
		for stream.Receive() {
			received++
		}
		return received, stream.Err()
	}
	count, err := drain(300, 5000, 0)
	check("a server stream arrives whole", count == 300 && err == nil, err)
	count, err = drain(3, 0, 9)
	check("a server stream fails after its messages", count == 3 && connect.CodeOf(err) == connect.CodeFailedPrecondition, err)

	sending := client("Collect", false).CallClientStream(ctx)
	for range 100 {
		in := input("Collect")
		set(in, "data", make([]byte, 1000))
		if err := sending.Send(in); err != nil {
			break
		}
	}
	response, err = sending.CloseAndReceive()
	check("a client stream arrives whole", err == nil && field(response.Msg, "messages").Uint() == 100, err)

	if protocol != "grpc-web" {
		conversation := client("Converse", true).CallBidiStream(ctx)
		exchanged := 0
		for range 20 {
			in := input("Converse")
			set(in, "text", fmt.Sprint("text ", exchanged))
			if err = conversation.Send(in); err != nil {
				break
			}
			var out *message
			if out, err = conversation.Receive(); err != nil || field(out, "text").String() != fmt.Sprint("text ", exchanged) {
				break
			}
			exchanged++
		}
		_ = conversation.CloseRequest()
		_, last := conversation.Receive()
		check("both sides converse", exchanged == 20 && errors.Is(last, io.EOF), fmt.Sprint(exchanged, err, last))
		_ = conversation.CloseResponse()
	}

	var group sync.WaitGroup
	var good atomic.Int32
	for number := range 300 {
		group.Go(func() {
			in := input("Echo")
			set(in, "text", fmt.Sprint(number))
			if response, err := echo.CallUnary(ctx, connect.NewRequest(in)); err == nil && field(response.Msg, "text").String() == fmt.Sprint(number) {
				good.Add(1)
			}
		})
	}
	group.Wait()
	check("three hundred calls run at once", good.Load() == 300, good.Load())
	return nil
}
