package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"plugboard/interop/goplugin/common"
)

// command is what is read from stdin.
type command struct {
	// Chosen by the sender; the answer carries it.
	Id int `json:"id"`
	// ping; call and stream, of the plugin or, with a broker id, of what the plugin offers there; serve, which offers a
	// service that answers every call with data, until stop; close, which is all of kill but the killing; kill; exited.
	Op     string `json:"op"`
	Method string `json:"method"`
	Data   []byte `json:"data"`
	// Of stream: what to send.
	Messages  [][]byte `json:"messages"`
	Broker    uint32   `json:"broker"`
	TimeoutMs int      `json:"timeoutMs"`
}

// answer is what is printed for it, in the order in which commands are done.
type answer struct {
	Id       int      `json:"id"`
	Data     []byte   `json:"data,omitempty"`
	Messages [][]byte `json:"messages,omitempty"`
	Broker   uint32   `json:"broker,omitempty"`
	Exited   bool     `json:"exited,omitempty"`
	Error    *failing `json:"error,omitempty"`
}

type failing struct {
	// 2, unknown, for errors that aren't of gRPC.
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

// peer is the plugin as a host sees it: what a contract's own client would be made of.
type peer struct {
	plugin.NetRPCUnsupportedPlugin
	broker     *plugin.GRPCBroker
	connection *grpc.ClientConn
}

func (*peer) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return errors.New("this is a host") }

func (*peer) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, connection *grpc.ClientConn) (any, error) {
	return &peer{broker: broker, connection: connection}, nil
}

// session is a plugin that runs.
type session struct {
	out      *printer
	client   *plugin.Client
	protocol plugin.ClientProtocol
	peer     *peer

	mu sync.Mutex
	// By broker id: connections to what the plugin offers, and what is offered to it.
	dialled map[uint32]*grpc.ClientConn
	offered map[uint32]*grpc.Server
}

// serveCommands starts the plugin, then runs each command as it comes in, beside those before it.
func serveCommands(client *plugin.Client, out *printer) error {
	s := &session{out: out, client: client, dialled: map[uint32]*grpc.ClientConn{}, offered: map[uint32]*grpc.Server{}}
	if err := s.start(); err != nil {
		out.print(event{Event: "failed", Error: err.Error()})
		client.Kill()
		return nil
	}
	reattach := writeReattach(client.ReattachConfig(), client.NegotiatedVersion())
	out.print(event{Event: "started", Version: client.NegotiatedVersion(), Reattach: &reattach})
	commands := json.NewDecoder(os.Stdin)
	for {
		var next command
		if err := commands.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		go func() {
			done, err := s.do(next)
			if err != nil {
				state, _ := status.FromError(err)
				done.Error = &failing{Code: uint32(state.Code()), Message: state.Message()}
			}
			done.Id = next.Id
			out.print(done)
		}()
	}
}

func (s *session) start() (err error) {
	if s.protocol, err = s.client.Client(); err != nil {
		return err
	}
	raw, err := s.protocol.Dispense("test")
	if err != nil {
		return err
	}
	s.peer = raw.(*peer)
	return nil
}

func (s *session) do(next command) (answer, error) {
	switch next.Op {
	case "ping":
		return answer{}, s.protocol.Ping()
	case "call":
		return s.call(next)
	case "stream":
		return s.stream(next)
	case "serve":
		return s.serve(next)
	case "stop":
		s.mu.Lock()
		defer s.mu.Unlock()
		if server := s.offered[next.Broker]; server != nil {
			server.Stop()
		}
		return answer{}, nil
	case "close":
		return answer{}, s.protocol.Close()
	case "kill":
		s.client.Kill()
		return answer{Exited: s.client.Exited()}, nil
	case "exited":
		return answer{Exited: s.client.Exited()}, nil
	}
	return answer{}, fmt.Errorf("there is no command %q", next.Op)
}

func (s *session) call(next command) (answer, error) {
	connection, err := s.connection(next.Broker)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := next.context()
	defer cancel()
	var data []byte
	err = connection.Invoke(ctx, next.Method, &next.Data, &data, grpc.ForceCodec(common.RawCodec{}))
	return answer{Data: data}, err
}

// stream sends all messages, then receives until the end.
func (s *session) stream(next command) (answer, error) {
	connection, err := s.connection(next.Broker)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := next.context()
	defer cancel()
	description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := connection.NewStream(ctx, description, next.Method, grpc.ForceCodec(common.RawCodec{}))
	if err != nil {
		return answer{}, err
	}
	for _, message := range next.Messages {
		if err := stream.SendMsg(&message); err != nil {
			break // What is wrong is told on receiving.
		}
	}
	if err := stream.CloseSend(); err != nil {
		return answer{}, err
	}
	var done answer
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
		done.Messages = append(done.Messages, message)
	}
}

// connection is the plugin's own for 0, else one by way of the broker, made on first use.
func (s *session) connection(broker uint32) (*grpc.ClientConn, error) {
	if broker == 0 {
		return s.peer.connection, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if connection := s.dialled[broker]; connection != nil {
		return connection, nil
	}
	connection, err := s.peer.broker.Dial(broker)
	if err == nil {
		s.dialled[broker] = connection
	}
	return connection, err
}

// serve offers a service to the plugin. It knows any method, and prints each call.
func (s *session) serve(next command) (answer, error) {
	id := s.peer.broker.NextId()
	handler := func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var data []byte
		if err := stream.RecvMsg(&data); err != nil {
			return err
		}
		s.out.print(event{Event: "served", Broker: id, Method: method, Data: data})
		return stream.SendMsg(&next.Data)
	}
	go s.peer.broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(append(options, grpc.ForceServerCodec(common.RawCodec{}), grpc.UnknownServiceHandler(handler))...)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.offered[id] = server
		return server
	})
	return answer{Broker: id}, nil
}

func (c command) context() (context.Context, context.CancelFunc) {
	timeout := 10 * time.Second
	if c.TimeoutMs > 0 {
		timeout = time.Duration(c.TimeoutMs) * time.Millisecond
	}
	return context.WithTimeout(context.Background(), timeout)
}
