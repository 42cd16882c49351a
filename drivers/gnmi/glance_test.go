package gnmi

import (
	"fmt"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/protobuf/proto"
)

// told returns a message that tells of n leaves that have changed.
func told(t testing.TB, n int) []byte {
	t.Helper()
	note := &gpb.Notification{Timestamp: 1}
	for i := range n {
		note.Update = append(note.Update, &gpb.Update{
			Path: &gpb.Path{Elem: []*gpb.PathElem{
				{Name: "interfaces"}, {Name: "interface", Key: map[string]string{"name": fmt.Sprint("Ethernet", i)}}, {Name: "config"}, {Name: "mtu"},
			}},
			Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte("9100")}},
		})
	}
	return encoded(t, &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: note}})
}

func encoded(t testing.TB, r *gpb.SubscribeResponse) []byte {
	t.Helper()
	b, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What can be taken apart as a whole is seen for what it is.
func FuzzGlanceSeesWhatIsThere(f *testing.F) {
	f.Add(told(f, 2))
	f.Add(told(f, 0))
	f.Add(encoded(f, &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}}))
	f.Add(encoded(f, &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole gpb.SubscribeResponse
		if proto.Unmarshal(b, &whole) != nil {
			return
		}
		var g glance
		if err := g.unmarshal(b); err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		// Of several answers in one message the last counts, and what came before may be seen too.
		if whole.GetUpdate() != nil && !g.update || whole.GetSyncResponse() && !g.sync {
			t.Errorf("%x: %+v, want %v", b, g, &whole)
		}
	})
}

func TestGlanceTellsKindsApartAndRefusesWhatIsCut(t *testing.T) {
	sync := encoded(t, &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}})
	update := told(t, 3)
	var g glance
	if err := g.unmarshal(update); err != nil || g != (glance{update: true}) {
		t.Errorf("%+v %v", g, err)
	}
	if err := g.unmarshal(sync); err != nil || g != (glance{sync: true}) {
		t.Errorf("%+v %v", g, err)
	}
	for n := 1; n < len(update); n++ {
		if err := g.unmarshal(update[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes pass", n, len(update))
		}
	}
}

// BenchmarkWatched looks at a message of 100 changed leaves. The baseline takes all of it apart.
func BenchmarkWatched(b *testing.B) {
	text := told(b, 100)
	b.Run("glance", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		var g glance
		for b.Loop() {
			if err := g.unmarshal(text); err != nil || !g.update {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			var r gpb.SubscribeResponse
			if err := proto.Unmarshal(text, &r); err != nil || r.GetUpdate() == nil {
				b.Fatal(err)
			}
		}
	})
}
