// Package common holds what the host and the plugin of these tests share.
package common

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/go-plugin"
)

// Cookie is the default cookie, KEY=VALUE.
const Cookie = "PLUGBOARD_INTEROP=go"

// Handshake makes a handshake of a cookie written as KEY=VALUE.
func Handshake(cookie string) (plugin.HandshakeConfig, error) {
	key, value, found := strings.Cut(cookie, "=")
	if !found {
		return plugin.HandshakeConfig{}, fmt.Errorf("a cookie is KEY=VALUE, not %q", cookie)
	}
	return plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: key, MagicCookieValue: value}, nil
}

// Versions offers the same plugin in each of the versions of a list such as "1,2".
func Versions(list string, served plugin.Plugin) (map[int]plugin.PluginSet, error) {
	sets := map[int]plugin.PluginSet{}
	for _, text := range strings.Split(list, ",") {
		version, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		sets[version] = plugin.PluginSet{"test": served}
	}
	return sets, nil
}

// TLS reads cert.pem, key.pem and ca.pem of a folder: a configuration for either end, as connections of the broker are
// made in both directions.
func TLS(folder string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	if err != nil {
		return nil, err
	}
	roots, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, errors.New("there is no certificate in ca.pem")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool,
		ServerName:   "localhost",
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		MinVersion:   tls.VersionTLS12,
	}, nil
}

// RawCodec passes messages on as the bytes they are, so that there is no generated code: the test encodes and decodes.
type RawCodec struct{}

func (RawCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (RawCodec) Unmarshal(bytes []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}

// Name is empty: the content type is application/grpc, as without a codec.
func (RawCodec) Name() string { return "" }
