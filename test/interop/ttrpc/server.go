package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
)

const service = "plugboard.test.v1.BehaviourService"

func serve(files *protoregistry.Files, socket string) error {
	found, err := files.FindDescriptorByName(service)
	if err != nil {
		return err
	}
	descriptor, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return fmt.Errorf("%s is no service", service)
	}
	server, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	b := &behaviour{methods: descriptor.Methods(), records: map[string]*record{}}
	server.RegisterService(service, &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{
			"Echo":    b.unary("Echo", b.echo),
			"Inspect": b.unary("Inspect", b.inspect),
			"Fail":    b.unary("Fail", b.fail),
			"Hang":    b.unary("Hang", b.hang),
			"Watch":   b.unary("Watch", b.watch),
		},
		Streams: map[string]ttrpc.Stream{
			"Produce":  {Handler: b.produce, StreamingServer: true},
			"Collect":  {Handler: b.collect, StreamingClient: true},
			"Converse": {Handler: b.converse, StreamingClient: true, StreamingServer: true},
		},
	})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return server.Serve(context.Background(), listener)
}

// behaviour does what test/behaviour/plugin.ts does.
type behaviour struct {
	methods protoreflect.MethodDescriptors
	mu      sync.Mutex
	records map[string]*record
}

// record is what became of a call, for Watch to tell; guarded by the behaviour's mutex.
type record struct {
	started, aborted, finished bool
	messages                   uint32
}

type message = *dynamicpb.Message

func (b *behaviour) input(method protoreflect.Name) message {
	return dynamicpb.NewMessage(b.methods.ByName(method).Input())
}

func (b *behaviour) output(method protoreflect.Name) message {
	return dynamicpb.NewMessage(b.methods.ByName(method).Output())
}

func (b *behaviour) unary(method protoreflect.Name, handle func(context.Context, message, message) error) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(interface{}) error) (interface{}, error) {
		in, out := b.input(method), b.output(method)
		if err := unmarshal(in); err != nil {
			return nil, err
		}
		if err := handle(ctx, in, out); err != nil {
			return nil, err
		}
		return out, nil
	}
}

func (b *behaviour) echo(_ context.Context, in, out message) error {
	set(out, "text", text(in, "text"))
	set(out, "data", get(in, "data").Bytes())
	return nil
}

func (b *behaviour) inspect(ctx context.Context, _, out message) error {
	metadata, _ := ttrpc.GetMetadata(ctx)
	if values, ok := metadata.Get("x-behaviour"); ok {
		set(out, "header", strings.Join(values, ", "))
	}
	if values, ok := metadata.Get("x-behaviour-bin"); ok {
		bytes, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(values[0], "="))
		if err != nil {
			return err
		}
		set(out, "binary_header", bytes)
	}
	set(out, "timeout_ms", float64(-1))
	if deadline, ok := ctx.Deadline(); ok {
		set(out, "timeout_ms", float64(time.Until(deadline))/1e6)
	}
	set(out, "protocol", "ttrpc")
	return nil
}

func (b *behaviour) fail(_ context.Context, in, _ message) error {
	detail := b.input("Echo")
	set(detail, "text", "a detail")
	packed, err := anypb.New(detail)
	if err != nil {
		return err
	}
	return status.ErrorProto(&spb.Status{
		Code:    int32(number(in, "code")),
		Message: text(in, "message"),
		Details: []*anypb.Any{packed},
	})
}

func (b *behaviour) hang(ctx context.Context, in, _ message) error {
	id := text(in, "id")
	b.note(id, func(r *record) { r.started = true })
	<-ctx.Done()
	b.note(id, func(r *record) { r.aborted, r.finished = true, true })
	return ctx.Err()
}

func (b *behaviour) watch(_ context.Context, in, out message) error {
	b.note(text(in, "id"), func(r *record) {
		set(out, "started", r.started)
		set(out, "aborted", r.aborted)
		set(out, "messages", r.messages)
		set(out, "finished", r.finished)
	})
	return nil
}

func (b *behaviour) produce(ctx context.Context, stream ttrpc.StreamServer) (interface{}, error) {
	in := b.input("Produce")
	if err := stream.RecvMsg(in); err != nil {
		return nil, err
	}
	id, count := text(in, "id"), number(in, "count")
	b.note(id, func(r *record) { r.started = true })
	defer b.note(id, func(r *record) { r.aborted, r.finished = ctx.Err() != nil, true })
	for index := uint32(0); count == 0 || index < count; index++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b.note(id, func(r *record) { r.messages = index + 1 })
		out := b.output("Produce")
		set(out, "index", index)
		set(out, "data", make([]byte, number(in, "size")))
		if err := stream.SendMsg(out); err != nil {
			return nil, err
		}
	}
	return nil, failure(number(in, "fail_code"))
}

func (b *behaviour) collect(_ context.Context, stream ttrpc.StreamServer) (interface{}, error) {
	var messages uint32
	var bytes uint64
	for {
		in := b.input("Collect")
		if err := stream.RecvMsg(in); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		messages++
		bytes += uint64(len(get(in, "data").Bytes()))
		if err := failure(number(in, "fail_code")); err != nil {
			return nil, err
		}
	}
	out := b.output("Collect")
	set(out, "messages", messages)
	set(out, "bytes", bytes)
	return out, nil
}

func (b *behaviour) converse(_ context.Context, stream ttrpc.StreamServer) (interface{}, error) {
	for index := uint32(0); ; index++ {
		in := b.input("Converse")
		if err := stream.RecvMsg(in); errors.Is(err, io.EOF) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		if err := failure(number(in, "fail_code")); err != nil {
			return nil, err
		}
		out := b.output("Converse")
		set(out, "text", text(in, "text"))
		set(out, "index", index)
		if err := stream.SendMsg(out); err != nil {
			return nil, err
		}
	}
}

// note looks at a call's record, or changes it.
func (b *behaviour) note(id string, change func(*record)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.records[id] == nil {
		b.records[id] = &record{}
	}
	change(b.records[id])
}

func failure(code uint32) error {
	if code == 0 {
		return nil
	}
	return status.Error(codes.Code(code), "as asked")
}

func get(m message, field protoreflect.Name) protoreflect.Value {
	return m.Get(m.Descriptor().Fields().ByName(field))
}

func text(m message, field protoreflect.Name) string { return get(m, field).String() }

func number(m message, field protoreflect.Name) uint32 { return uint32(get(m, field).Uint()) }

func set(m message, field protoreflect.Name, value interface{}) {
	m.Set(m.Descriptor().Fields().ByName(field), protoreflect.ValueOf(value))
}
