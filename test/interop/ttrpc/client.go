package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// command is what is read from stdin, as JSON.
type command struct {
	// Chosen by the sender; the result carries it.
	Id int `json:"id"`
	// call; open, send, closeSend and receive for streams.
	Op string `json:"op"`
	// For all but call: chosen by the sender with open.
	Stream  int    `json:"stream"`
	Service string `json:"service"`
	Method  string `json:"method"`
	// Names of the request's and the response's message.
	Input           string              `json:"input"`
	Output          string              `json:"output"`
	Message         json.RawMessage     `json:"message"`
	Metadata        map[string][]string `json:"metadata"`
	TimeoutMs       float64             `json:"timeoutMs"`
	StreamingClient bool                `json:"streamingClient"`
	StreamingServer bool                `json:"streamingServer"`
}

// result is what is printed, one line for each command, in the order in which they are done.
type result struct {
	Id      int             `json:"id"`
	Message json.RawMessage `json:"message,omitempty"`
	// A stream has ended well.
	End   bool     `json:"end,omitempty"`
	Error *failing `json:"error,omitempty"`
}

type failing struct {
	// 2, unknown, for errors of ttrpc itself.
	Code    uint32   `json:"code"`
	Message string   `json:"message"`
	Details []detail `json:"details"`
}

type detail struct {
	TypeUrl string `json:"typeUrl"`
	Value   []byte `json:"value"`
}

type caller struct {
	files   *protoregistry.Files
	client  *ttrpc.Client
	mu      sync.Mutex
	streams map[int]ttrpc.ClientStream
}

// call runs each command as it comes in, beside those before it.
func call(files *protoregistry.Files, socket string) error {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	client := ttrpc.NewClient(connection)
	defer client.Close()
	c := &caller{files: files, client: client, streams: map[int]ttrpc.ClientStream{}}
	var printing sync.Mutex
	results := json.NewEncoder(os.Stdout)
	commands := json.NewDecoder(os.Stdin)
	for {
		var next command
		if err := commands.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		go func() {
			done := c.run(next)
			done.Id = next.Id
			printing.Lock()
			defer printing.Unlock()
			if err := results.Encode(done); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func (c *caller) run(next command) result {
	message, err := c.do(next)
	if next.Op == "receive" && errors.Is(err, io.EOF) {
		return result{End: true}
	}
	if err != nil {
		return result{Error: describe(err)}
	}
	return result{Message: message}
}

func (c *caller) do(next command) (json.RawMessage, error) {
	switch next.Op {
	case "call":
		return c.unary(next)
	case "open":
		return nil, c.open(next)
	}
	c.mu.Lock()
	stream := c.streams[next.Stream]
	c.mu.Unlock()
	if stream == nil {
		return nil, fmt.Errorf("there is no stream %d", next.Stream)
	}
	switch next.Op {
	case "send":
		in, err := c.request(next)
		if err != nil {
			return nil, err
		}
		return nil, stream.SendMsg(in)
	case "closeSend":
		return nil, stream.CloseSend()
	case "receive":
		out, err := newMessage(c.files, next.Output)
		if err != nil {
			return nil, err
		}
		if err := stream.RecvMsg(out); err != nil {
			return nil, err
		}
		return protojson.Marshal(out)
	}
	return nil, fmt.Errorf("there is no command %q", next.Op)
}

func (c *caller) unary(next command) (json.RawMessage, error) {
	ctx := context.Background()
	if next.Metadata != nil {
		ctx = ttrpc.WithMetadata(ctx, next.Metadata)
	}
	if next.TimeoutMs > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(next.TimeoutMs*1e6))
		defer cancel()
		ctx = limited
	}
	in, err := c.request(next)
	if err != nil {
		return nil, err
	}
	out, err := newMessage(c.files, next.Output)
	if err != nil {
		return nil, err
	}
	if err := c.client.Call(ctx, next.Service, next.Method, in, out); err != nil {
		return nil, err
	}
	return protojson.Marshal(out)
}

func (c *caller) open(next command) error {
	// An interface that holds a nil pointer is not nil, so there have to be two.
	var first interface{}
	if next.Message != nil {
		in, err := c.request(next)
		if err != nil {
			return err
		}
		first = in
	}
	desc := &ttrpc.StreamDesc{StreamingClient: next.StreamingClient, StreamingServer: next.StreamingServer}
	stream, err := c.client.NewStream(context.Background(), desc, next.Service, next.Method, first)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[next.Stream] = stream
	return nil
}

func (c *caller) request(next command) (message, error) {
	in, err := newMessage(c.files, next.Input)
	if err != nil {
		return nil, err
	}
	return in, protojson.Unmarshal(next.Message, in)
}

func describe(err error) *failing {
	found, ok := status.FromError(err)
	if !ok {
		found = status.FromContextError(err)
	}
	described := &failing{Code: uint32(found.Code()), Message: found.Message(), Details: []detail{}}
	for _, packed := range found.Proto().GetDetails() {
		described.Details = append(described.Details, detail{TypeUrl: packed.TypeUrl, Value: packed.Value})
	}
	return described
}
