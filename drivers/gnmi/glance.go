package gnmi

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// glance is what [Session.Watch] wants to know of a SubscribeResponse: of which kind it is. A change of a switch is told
// leaf by leaf, and taking thousands of paths apart only to read them anew costs more than all else.
type glance struct {
	update bool
	sync   bool
}

// The fields of a SubscribeResponse.
const (
	fieldUpdate protowire.Number = 1
	fieldSync   protowire.Number = 3
)

// unmarshal reads the outermost fields of a message.
func (g *glance) unmarshal(b []byte) error {
	*g = glance{}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		switch {
		case field == fieldUpdate && kind == protowire.BytesType:
			g.update = true
		case field == fieldSync && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			g.sync = v != 0
		}
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
	}
	return nil
}

// glancing is the codec that reads messages into a [glance].
type glancing struct{}

// Marshal implements [encoding.CodecV2] as gRPC does.
func (glancing) Marshal(v any) (mem.BufferSlice, error) {
	return encoding.GetCodecV2(proto.Name).Marshal(v)
}

// Unmarshal implements [encoding.CodecV2].
func (glancing) Unmarshal(data mem.BufferSlice, v any) error {
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	return v.(*glance).unmarshal(b.ReadOnlyData())
}

// Name implements [encoding.CodecV2]. Without a name the content type on the wire is the usual one.
func (glancing) Name() string { return "" }
