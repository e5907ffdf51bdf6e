// Command grpc-go is the echo service of proto/plugboard/bench/v1 as a Go plugin and its Go host would have it: grpc-go
// on both sides of a Unix socket, as in go-plugin.
//
//	grpc-go serve PATH   serves, and prints a line once it listens
//	grpc-go drive PATH   calls it, as the lines on stdin say
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "plugboard.bench.v1.EchoService"

// maxBytes is the largest message; by default it is 4 MiB.
const maxBytes = 64 << 20

// There is no generated code: on the wire, EchoRequest, EchoResponse and ProduceResponse are what BytesValue is, and
// ProduceRequest with its two numbers is what Timestamp is.
type (
	echo    = wrapperspb.BytesValue
	produce = timestamppb.Timestamp
)

var description = grpc.ServiceDesc{
	ServiceName: service,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			request := new(echo)
			err := decode(request)
			return request, err
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "Produce",
		ServerStreams: true,
		Handler: func(_ any, stream grpc.ServerStream) error {
			request := new(produce)
			if err := stream.RecvMsg(request); err != nil {
				return err
			}
			message := &echo{Value: make([]byte, request.Nanos)}
			for range request.Seconds {
				if err := stream.SendMsg(message); err != nil {
					return err
				}
			}
			return nil
		},
	}},
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: grpc-go serve|drive PATH")
	}
	run := map[string]func(string) error{"serve": serve, "drive": drive}[os.Args[1]]
	if run == nil {
		log.Fatal("usage: grpc-go serve|drive PATH")
	}
	if err := run(os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func serve(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxBytes))
	server.RegisterService(&description, nil)
	fmt.Println("listens on", path)
	return server.Serve(listener)
}

// drive reads "unary SIZE CONCURRENCY MILLISECONDS" and "stream SIZE COUNT MILLISECONDS", and answers each with how
// many calls or messages there were and how many seconds they took.
func drive(path string) error {
	connection, err := grpc.NewClient("unix:"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBytes)))
	if err != nil {
		return err
	}
	defer connection.Close()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var kind string
		var size, number, milliseconds int
		if _, err := fmt.Sscan(lines.Text(), &kind, &size, &number, &milliseconds); err != nil {
			return err
		}
		measure := unary
		if kind == "stream" {
			measure = stream
		}
		start := time.Now()
		done, err := measure(connection, size, number, start.Add(time.Duration(milliseconds)*time.Millisecond))
		if err != nil {
			return err
		}
		fmt.Println(done, time.Since(start).Seconds())
	}
	return lines.Err()
}

// begin is what every contender does for a call: a deadline, a way to cancel it, a header.
func begin() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	return metadata.AppendToOutgoingContext(ctx, "x-bench", "plugboard"), cancel
}

func unary(connection *grpc.ClientConn, size, concurrency int, until time.Time) (int64, error) {
	request := &echo{Value: make([]byte, size)}
	var calls atomic.Int64
	var failed error
	var once sync.Once
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for {
				ctx, cancel := begin()
				response := new(echo)
				err := connection.Invoke(ctx, "/"+service+"/Echo", request, response)
				cancel()
				if err == nil && len(response.Value) != size {
					err = fmt.Errorf("%d bytes came back of %d", len(response.Value), size)
				}
				if err != nil {
					once.Do(func() { failed = err })
					return
				}
				calls.Add(1)
				if !time.Now().Before(until) {
					return
				}
			}
		})
	}
	workers.Wait()
	return calls.Load(), failed
}

func stream(connection *grpc.ClientConn, size, count int, until time.Time) (int64, error) {
	var messages int64
	for {
		if err := readStream(connection, size, count); err != nil {
			return messages, err
		}
		messages += int64(count)
		if !time.Now().Before(until) {
			return messages, nil
		}
	}
}

func readStream(connection *grpc.ClientConn, size, count int) error {
	ctx, cancel := begin()
	defer cancel()
	call, err := connection.NewStream(ctx, &description.Streams[0], "/"+service+"/Produce")
	if err != nil {
		return err
	}
	if err := call.SendMsg(&produce{Seconds: int64(count), Nanos: int32(size)}); err != nil {
		return err
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	for range count {
		message := new(echo)
		if err := call.RecvMsg(message); err != nil {
			return err
		}
		if len(message.Value) != size {
			return fmt.Errorf("%d bytes came of %d", len(message.Value), size)
		}
	}
	return nil
}
