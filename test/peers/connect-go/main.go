// Command connect-go serves the behaviour contract by connect-go, or calls it:
//
//	connect-go DESCRIPTORS serve unix:/path|tcp
//	connect-go DESCRIPTORS call http://host:port|unix:/path connect|grpc|grpc-web
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const service = "plugboard.test.v1.BehaviourService"

type message = dynamicpb.Message

func main() {
	methods, err := load(os.Args[1])
	if err == nil {
		switch os.Args[2] {
		case "serve":
			err = serve(methods, os.Args[3])
		case "call":
			err = call(methods, os.Args[3], os.Args[4])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path string) (protoreflect.MethodDescriptors, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(bytes, &set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, err
	}
	found, err := files.FindDescriptorByName(service)
	if err != nil {
		return nil, err
	}
	return found.(protoreflect.ServiceDescriptor).Methods(), nil
}

// initialize gives a dynamic message its type: the method's input on a server, its output on a client.
func initialize(spec connect.Spec, target any) error {
	dynamic, ok := target.(*message)
	if !ok {
		return nil
	}
	method := spec.Schema.(protoreflect.MethodDescriptor)
	if spec.IsClient {
		*dynamic = *dynamicpb.NewMessage(method.Output())
	} else {
		*dynamic = *dynamicpb.NewMessage(method.Input())
	}
	return nil
}

func field(in *message, name protoreflect.Name) protoreflect.Value {
	return in.Get(in.Descriptor().Fields().ByName(name))
}

func set(out *message, name protoreflect.Name, value any) {
	out.Set(out.Descriptor().Fields().ByName(name), protoreflect.ValueOf(value))
}

func failure(code uint64, text string) error {
	return connect.NewError(connect.Code(code), fmt.Errorf("%s", text))
}

func serve(methods protoreflect.MethodDescriptors, place string) error {
	mux := http.NewServeMux()
	options := func(name protoreflect.Name) (string, connect.HandlerOption) {
		idempotency := methods.ByName(name).Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel()
		return fmt.Sprintf("/%s/%s", service, name), connect.WithHandlerOptions(
			connect.WithSchema(methods.ByName(name)),
			connect.WithRequestInitializer(initialize),
			connect.WithIdempotency(connect.IdempotencyLevel(idempotency)),
		)
	}
	output := func(name protoreflect.Name) *message { return dynamicpb.NewMessage(methods.ByName(name).Output()) }
	unary := func(name protoreflect.Name, handle func(context.Context, *connect.Request[message], *message) error) {
		path, option := options(name)
		mux.Handle(path, connect.NewUnaryHandler(path, func(ctx context.Context, request *connect.Request[message]) (*connect.Response[message], error) {
			out := output(name)
			if err := handle(ctx, request, out); err != nil {
				return nil, err
			}
			return connect.NewResponse(out), nil
		}, option))
	}

	unary("Echo", func(_ context.Context, request *connect.Request[message], out *message) error {
		set(out, "text", field(request.Msg, "text").String())
		set(out, "data", field(request.Msg, "data").Bytes())
		return nil
	})
	unary("Inspect", func(_ context.Context, request *connect.Request[message], out *message) error {
		set(out, "header", strings.Join(request.Header().Values("x-behaviour"), ", "))
		return nil
	})
	unary("Fail", func(_ context.Context, request *connect.Request[message], _ *message) error {
		return failure(field(request.Msg, "code").Uint(), field(request.Msg, "message").String())
	})
	unary("Hang", func(ctx context.Context, _ *connect.Request[message], _ *message) error {
		<-ctx.Done()
		return ctx.Err()
	})

	path, option := options("Produce")
	mux.Handle(path, connect.NewServerStreamHandler(path, func(_ context.Context, request *connect.Request[message], stream *connect.ServerStream[message]) error {
		for index := uint32(0); uint64(index) < field(request.Msg, "count").Uint(); index++ {
			out := output("Produce")
			set(out, "index", index)
			set(out, "data", make([]byte, field(request.Msg, "size").Uint()))
			if err := stream.Send(out); err != nil {
				return err
			}
		}
		if code := field(request.Msg, "fail_code").Uint(); code != 0 {
			return failure(code, "as asked")
		}
		return nil
	}, option))

	path, option = options("Collect")
	mux.Handle(path, connect.NewClientStreamHandler(path, func(_ context.Context, stream *connect.ClientStream[message]) (*connect.Response[message], error) {
		var messages uint32
		var bytes uint64
		for stream.Receive() {
			messages++
			bytes += uint64(len(field(stream.Msg(), "data").Bytes()))
		}
		out := output("Collect")
		set(out, "messages", messages)
		set(out, "bytes", bytes)
		return connect.NewResponse(out), stream.Err()
	}, option))

	path, option = options("Converse")
	mux.Handle(path, connect.NewBidiStreamHandler(path, func(_ context.Context, stream *connect.BidiStream[message, message]) error {
		for index := uint32(0); ; index++ {
			in, err := stream.Receive()
			if err != nil {
				return nil
			}
			out := output("Converse")
			set(out, "text", field(in, "text").String())
			set(out, "index", index)
			if err := stream.Send(out); err != nil {
				return err
			}
		}
	}, option))

	network, address := "tcp", "127.0.0.1:0"
	if path, found := strings.CutPrefix(place, "unix:"); found {
		network, address = "unix", path
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	fmt.Println(listener.Addr())
	fmt.Println("ready")
	return (&http.Server{Handler: mux, Protocols: &protocols}).Serve(listener)
}

// httpClient speaks HTTP/2 without TLS where gRPC or bidi want it, else HTTP/1.1.
func httpClient(target string, http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{}}
	if path, found := strings.CutPrefix(target, "unix:"); found {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
	}
	return &http.Client{Transport: transport}
}

// check prints whether something holds, for the test that runs the program: one JSON object a line.
func check(name string, ok bool, detail any) {
	line, _ := json.Marshal(map[string]any{"name": name, "ok": ok, "detail": fmt.Sprint(detail)})
	fmt.Println(string(line))
}
