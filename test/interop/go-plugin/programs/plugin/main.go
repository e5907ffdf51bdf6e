// A plugin made with HashiCorp's go-plugin, for tests of Plugboard's host. It serves grpctest.Test, the contract of
// go-plugin's own tests:
//
//	Double         doubles
//	Stream         sends back what it gets
//	Bidirectional  calls grpctest.PingPong at the caller's broker id, then offers one of its own and returns that id
//	PrintStdio     prints with fmt, so what is printed goes through GRPCStdio
//	PrintKV        logs: see there
//	Panic          panics
//
// Configured by environment variables, as a host's command has no room for more:
//
//	INTEROP_COOKIE    KEY=VALUE
//	INTEROP_VERSIONS  "2,3"; version 1 without it
//	INTEROP_TLS       folder with certificates, for TLSProvider; see common.TLS
//	INTEROP_PRINT     printed on stdout before the handshake line
//	INTEROP_LINGER    how long to stay after the end of serving, "10s"
//	INTEROP_TEST      "1": go-plugin's test mode; prints its ReattachConfig on stdout as JSON and ends with SIGTERM
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	grpctest "github.com/hashicorp/go-plugin/test/grpc"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"plugboard/interop/goplugin/common"
)

// stderr is the process's own, which go-plugin replaces once it serves.
var stderr = os.Stderr

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(stderr, err)
		os.Exit(1)
	}
}

func run() error {
	logger := hclog.New(&hclog.LoggerOptions{Name: "interop", Level: hclog.Trace, Output: stderr, JSONFormat: true})
	config := &plugin.ServeConfig{GRPCServer: plugin.DefaultGRPCServer, Logger: logger}
	var err error
	if config.HandshakeConfig, err = common.Handshake(orElse("INTEROP_COOKIE", common.Cookie)); err != nil {
		return err
	}
	if config.VersionedPlugins, err = common.Versions(orElse("INTEROP_VERSIONS", "1"), &served{logger: logger}); err != nil {
		return err
	}
	if folder := os.Getenv("INTEROP_TLS"); folder != "" {
		config.TLSProvider = func() (*tls.Config, error) { return common.TLS(folder) }
	}
	linger, err := time.ParseDuration(orElse("INTEROP_LINGER", "0s"))
	if err != nil {
		return err
	}
	if text := os.Getenv("INTEROP_PRINT"); text != "" {
		fmt.Println(text)
	}
	if os.Getenv("INTEROP_TEST") == "1" {
		return serveForTest(config)
	}
	plugin.Serve(config)
	logger.Info("served")
	time.Sleep(linger)
	return nil
}

// serveForTest serves in test mode, where no host starts the plugin and nothing but a signal ends it.
func serveForTest(config *plugin.ServeConfig) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	reattach := make(chan *plugin.ReattachConfig, 1)
	config.Test = &plugin.ServeTestConfig{Context: ctx, ReattachConfigCh: reattach, SyncStdio: true}
	stdout := os.Stdout
	done := make(chan struct{})
	go func() {
		defer close(done)
		plugin.Serve(config)
	}()
	reached := <-reattach
	if err := json.NewEncoder(stdout).Encode(map[string]any{
		"Protocol":        reached.Protocol,
		"ProtocolVersion": reached.ProtocolVersion,
		"Pid":             reached.Pid,
		"Test":            reached.Test,
		"Addr":            map[string]string{"Network": reached.Addr.Network(), "String": reached.Addr.String()},
	}); err != nil {
		return err
	}
	<-done
	return nil
}

func orElse(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// served is the plugin.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	logger hclog.Logger
}

func (p *served) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	grpctest.RegisterTestServer(server, &tests{broker: broker, logger: p.logger})
	return nil
}

func (*served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin")
}

type tests struct {
	grpctest.UnimplementedTestServer
	broker *plugin.GRPCBroker
	logger hclog.Logger
}

func (*tests) Double(_ context.Context, request *grpctest.TestRequest) (*grpctest.TestResponse, error) {
	return &grpctest.TestResponse{Output: 2 * request.Input}, nil
}

func (*tests) Stream(stream grpctest.Test_StreamServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&grpctest.TestResponse{Output: request.Input}); err != nil {
			return err
		}
	}
}

func (t *tests) Bidirectional(ctx context.Context, request *grpctest.BidirectionalRequest) (*grpctest.BidirectionalResponse, error) {
	connection, err := t.broker.Dial(request.Id)
	if err != nil {
		return nil, fmt.Errorf("dialling the host: %w", err)
	}
	defer connection.Close()
	pong, err := grpctest.NewPingPongClient(connection).Ping(ctx, &grpctest.PingRequest{})
	if err != nil {
		return nil, fmt.Errorf("calling the host: %w", err)
	}
	t.logger.Info("called back", "answer", pong.Msg)
	id := t.broker.NextId()
	go t.broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := grpc.NewServer(options...)
		grpctest.RegisterPingPongServer(server, pingPong{})
		return server
	})
	return &grpctest.BidirectionalResponse{Id: id}, nil
}

func (*tests) PrintStdio(_ context.Context, request *grpctest.PrintStdioRequest) (*emptypb.Empty, error) {
	os.Stdout.Write(request.Stdout)
	os.Stderr.Write(request.Stderr)
	return &emptypb.Empty{}, nil
}

// PrintKV logs with hclog. A key such as "level:warn" logs the value at that level; "raw" writes it to the process's own
// stderr, as it is and with a newline; any other pair becomes a field of "kv" at level info.
func (t *tests) PrintKV(_ context.Context, request *grpctest.PrintKVRequest) (*grpctest.PrintKVResponse, error) {
	level, leveled := strings.CutPrefix(request.Key, "level:")
	switch {
	case leveled:
		t.logger.Log(hclog.LevelFromString(level), request.GetValueString())
	case request.Key == "raw":
		fmt.Fprintln(stderr, request.GetValueString())
	default:
		var value any = request.GetValueString()
		if _, isInt := request.Value.(*grpctest.PrintKVRequest_ValueInt); isInt {
			value = request.GetValueInt()
		}
		t.logger.Info("kv", request.Key, value)
	}
	return &grpctest.PrintKVResponse{}, nil
}

func (*tests) Panic(_ context.Context, request *grpctest.PanicRequest) (*emptypb.Empty, error) {
	panic(request.Message)
}

type pingPong struct {
	grpctest.UnimplementedPingPongServer
}

func (pingPong) Ping(context.Context, *grpctest.PingRequest) (*grpctest.PongResponse, error) {
	return &grpctest.PongResponse{Msg: "pong"}, nil
}
