// Speaks ttrpc with containerd's own implementation, for tests of Plugboard's.
//
//	ttrpc server DESCRIPTORS SOCKET   serves BehaviourService on a Unix socket; prints a line once it listens
//	ttrpc client DESCRIPTORS SOCKET   calls what listens there, as told on stdin; see client.go
//
// DESCRIPTORS is a file with a google.protobuf.FileDescriptorSet, so there is no generated code.
package main

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: ttrpc server|client DESCRIPTORS SOCKET")
	}
	mode, descriptors, socket := args[0], args[1], args[2]
	files, err := readDescriptors(descriptors)
	if err != nil {
		return err
	}
	switch mode {
	case "server":
		return serve(files, socket)
	case "client":
		return call(files, socket)
	}
	return fmt.Errorf("there is no mode %q", mode)
}

func readDescriptors(path string) (*protoregistry.Files, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(bytes, &set); err != nil {
		return nil, err
	}
	return protodesc.NewFiles(&set)
}

// newMessage makes an empty message of a type, "package.Message".
func newMessage(files *protoregistry.Files, name string) (*dynamicpb.Message, error) {
	found, err := files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	descriptor, ok := found.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no message", name)
	}
	return dynamicpb.NewMessage(descriptor), nil
}
