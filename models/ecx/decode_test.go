package ecx

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestTagProtocolIDHasOneForm(t *testing.T) {
	for text, want := range map[string]TagProtocolID{
		`"34984"`: "0x88a8", `"0x88a8"`: "0x88a8", `"0X88A8"`: "0x88a8", `"0x88A8"`: "0x88a8", `34984`: "0x88a8",
		`"33024"`: "0x8100", `33024`: "0x8100", `"0x8100"`: "0x8100", `"37120"`: "0x9100", `"0x9100"`: "0x9100",
		`"37376"`: "0x9200", `null`: "",
	} {
		var id TagProtocolID
		if err := json.Unmarshal([]byte(text), &id); err != nil || id != want {
			t.Errorf("%s is read as %q, %v", text, id, err)
		}
		again, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		var back TagProtocolID
		if err := json.Unmarshal(again, &back); err != nil || back != want {
			t.Errorf("%s is written as %s", text, again)
		}
	}
	if text, err := json.Marshal(TagProtocolID("0x88a8")); string(text) != `"34984"` || err != nil {
		t.Errorf("written as %s, %v", text, err)
	}
}

func TestWhatIsNoTagProtocolIDIsKeptAndRefused(t *testing.T) {
	for _, text := range []string{`"8100"`, `"88a8"`, `"0x"`, `""`, `"0x1234"`, `"-34984"`, `34984.5`, `{"x":1}`, `[]`, `true`, `"0x188a8"`} {
		var e Encapsulation
		if err := json.Unmarshal([]byte(`{"tagProtocolId":`+text+`,"type":"QINQ"}`), &e); err != nil || e.Type != QinQ {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
		if n, err := e.TagProtocolID.TPID(); !errors.Is(err, ErrTagProtocolID) {
			t.Errorf("%s is taken for %#x", text, n)
		}
	}
}

func TestRecordOfTheWrongShapeIsKeptApart(t *testing.T) {
	r, faults := Decode(Lists{
		Ports: {
			[]byte(`{"uuid":"p1","state":"ACTIVE"}`),
			[]byte(`{"uuid":"p2","lagEnabled":"yes","state":"ACTIVE"}`),
			[]byte(`{"account":{"accountNumber":"abc"},"uuid":"p3"}`),
			[]byte(`{"state":"ACTIVE"}`), []byte(`null`), []byte(`7`), []byte(`[]`),
			[]byte(`{"uuid":"p1","state":"FAILED"}`),
			[]byte(`{"uuid":7}`),
		},
	})
	want := []string{
		`ports "p2" /lagEnabled: it is of type string, which does not belong there`,
		`ports "p3": json: invalid number literal, trying to unmarshal "\"abc\"" into Number`,
		`ports[3] /uuid: the record has no uuid`,
		`ports[4] /uuid: the record has no uuid`,
		`ports[5]: it is of type number, which does not belong there`,
		`ports[5] /uuid: the record has no uuid`,
		`ports[6]: it is of type array, which does not belong there`,
		`ports[6] /uuid: the record has no uuid`,
		`ports "p1": two records have this uuid: those at 0 and 7`,
		`ports[8] /uuid: it is of type number, which does not belong there`,
		`ports[8] /uuid: the record has no uuid`,
	}
	for i, f := range faults {
		if i >= len(want) || f.Error() != want[i] {
			t.Errorf("fault %v", f)
		}
	}
	if len(faults) != len(want) || len(r.Ports) != 9 {
		t.Errorf("%d faults, %d ports", len(faults), len(r.Ports))
	}
	for i, p := range r.Ports {
		if !p.Faulty {
			t.Errorf("port %d is in good order", i)
		}
	}
	if r.Ports[1].State != PortActive {
		t.Error("what can be read is not there")
	}
}

// FuzzDecode holds that every record is there, and that one without a fault says again what it said.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"uuid":"p","encapsulation":{"type":"QINQ","tagProtocolId":"34984"},"physicalPorts":[{"uuid":"x"}],"lagEnabled":true}`))
	f.Add([]byte(`{"uuid":"c","type":"EVPL_VC","bandwidth":10,"aSide":{"accessPoint":{"linkProtocol":{"vlanTag":7}}},"operation":{}}`))
	f.Add([]byte(`{"uuid":7,"account":{"accountNumber":"x"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		lists := make(Lists)
		for _, c := range Collections() {
			lists[c] = []json.RawMessage{text}
		}
		r, faults := Decode(lists)
		if len(r.Ports) != 1 || len(r.Connections) != 1 || len(r.Networks) != 1 || len(r.ServiceProfiles) != 1 || len(r.ExchangeServices) != 1 {
			t.Fatal("a record is gone")
		}
		if len(faults) > 0 {
			return
		}
		again := make(Lists)
		for c, record := range map[Collection]any{
			Ports: r.Ports[0], Connections: r.Connections[0], Networks: r.Networks[0], ServiceProfiles: r.ServiceProfiles[0],
			ExchangeServices: r.ExchangeServices[0],
		} {
			text, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			again[c] = []json.RawMessage{text}
		}
		if _, faults := Decode(again); len(faults) > 0 {
			t.Errorf("what was read well is written as %v", faults)
		}
	})
}
