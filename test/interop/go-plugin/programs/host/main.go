// A host made with HashiCorp's go-plugin, for tests of Plugboard's plugins.
//
//	host [flags] -- COMMAND [ARGUMENT...]
//
// starts a plugin, or reattaches to one, then does what it is told on stdin and prints what it sees on stdout, both as
// JSON, a line each. It ends when stdin does; it leaves the plugin alone then, so "kill" is to be told.
//
// What it prints: {"event":"started",...} or {"event":"failed","error":...} first; an answer to each command, with its
// id; {"event":"log","record":...} for each record of go-plugin's logger, the plugin's stderr included;
// {"event":"stdout"|"stderr","data":...} for what GRPCStdio carries; {"event":"served",...} for each call to a service
// that "serve" has offered. Data is always base64.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"plugboard/interop/goplugin/common"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	cookie := flag.String("cookie", common.Cookie, "KEY=VALUE")
	versions := flag.String("versions", "1", "protocol versions, such as 1,2")
	autoMTLS := flag.Bool("auto-mtls", false, "make certificates on both sides")
	tlsFolder := flag.String("tls", "", "folder with certificates; see common.TLS")
	multiplex := flag.Bool("multiplex", false, "connections of the broker within the one connection")
	checksum := flag.String("sha256", "", "what the command's SHA-256 must be, in hex")
	reattach := flag.String("reattach", "", "a plugin that runs already, as TF_REATTACH_PROVIDERS has it")
	startTimeout := flag.Duration("start-timeout", 10*time.Second, "time until the handshake")
	flag.Parse()

	out := &printer{}
	config := &plugin.ClientConfig{
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:            *autoMTLS,
		GRPCBrokerMultiplex: *multiplex,
		StartTimeout:        *startTimeout,
		SyncStdout:          &writer{out, "stdout"},
		SyncStderr:          &writer{out, "stderr"},
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, JSONFormat: true, Output: &records{out: out}}),
	}
	var err error
	if config.HandshakeConfig, err = common.Handshake(*cookie); err != nil {
		return err
	}
	if config.VersionedPlugins, err = common.Versions(*versions, &peer{}); err != nil {
		return err
	}
	if *tlsFolder != "" {
		if config.TLSConfig, err = common.TLS(*tlsFolder); err != nil {
			return err
		}
	}
	if *checksum != "" {
		sum, err := hex.DecodeString(*checksum)
		if err != nil {
			return err
		}
		config.SecureConfig = &plugin.SecureConfig{Checksum: sum, Hash: sha256.New()}
	}
	if *reattach != "" {
		if config.Reattach, err = readReattach(*reattach); err != nil {
			return err
		}
		// go-plugin doesn't choose by version when it reattaches.
		config.Plugins = plugin.PluginSet{"test": &peer{}}
	} else {
		if flag.NArg() == 0 {
			return fmt.Errorf("usage: host [flags] -- COMMAND [ARGUMENT...]")
		}
		config.Cmd = exec.Command(flag.Arg(0), flag.Args()[1:]...)
	}
	return serveCommands(plugin.NewClient(config), out)
}

// reattachable is a plugin.ReattachConfig in JSON, with Terraform's names.
type reattachable struct {
	Protocol        plugin.Protocol
	ProtocolVersion int
	Pid             int
	Test            bool
	Addr            struct{ Network, String string }
}

func readReattach(text string) (*plugin.ReattachConfig, error) {
	var read reattachable
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		return nil, err
	}
	config := &plugin.ReattachConfig{Protocol: read.Protocol, ProtocolVersion: read.ProtocolVersion, Pid: read.Pid, Test: read.Test}
	var err error
	switch read.Addr.Network {
	case "unix":
		config.Addr, err = net.ResolveUnixAddr("unix", read.Addr.String)
	case "tcp":
		config.Addr, err = net.ResolveTCPAddr("tcp", read.Addr.String)
	default:
		err = fmt.Errorf("there is no network %q", read.Addr.Network)
	}
	return config, err
}

func writeReattach(config *plugin.ReattachConfig, version int) reattachable {
	written := reattachable{Protocol: config.Protocol, ProtocolVersion: version, Pid: config.Pid, Test: config.Test}
	written.Addr.Network, written.Addr.String = config.Addr.Network(), config.Addr.String()
	return written
}

// printer prints values, each whole and on a line of its own.
type printer struct{ mu sync.Mutex }

func (p *printer) print(value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// event is what is printed unasked.
type event struct {
	Event  string          `json:"event"`
	Data   []byte          `json:"data,omitempty"`
	Record json.RawMessage `json:"record,omitempty"`
	Broker uint32          `json:"broker,omitempty"`
	Method string          `json:"method,omitempty"`
	Error  string          `json:"error,omitempty"`
	// Of started.
	Version  int           `json:"version,omitempty"`
	Reattach *reattachable `json:"reattach,omitempty"`
}

// writer prints what is written to it.
type writer struct {
	out  *printer
	name string
}

func (w *writer) Write(data []byte) (int, error) {
	w.out.print(event{Event: w.name, Data: data})
	return len(data), nil
}

// records prints the lines of a logger, JSON themselves.
type records struct {
	out  *printer
	mu   sync.Mutex
	rest []byte
}

func (r *records) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = append(r.rest, data...)
	for {
		line, rest, found := bytes.Cut(r.rest, []byte{'\n'})
		if !found {
			return len(data), nil
		}
		r.out.print(event{Event: "log", Record: json.RawMessage(strings.TrimSpace(string(line)))})
		r.rest = rest
	}
}
