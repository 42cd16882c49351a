package ixpmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// listed returns JSON texts as a list of records.
func listed(texts ...string) []json.RawMessage {
	out := make([]json.RawMessage, len(texts))
	for i, t := range texts {
		out[i] = json.RawMessage(t)
	}
	return out
}

// on returns the answers of an exchange with one switch.
func on(interfaces ...string) Answers {
	return Answers{
		Switches:   listed(`{"name":"sw1","id":1,"infrastructure":1,"active":1}`),
		VLANs:      map[string][]json.RawMessage{"sw1": listed(`{"name":"Peering","tag":10,"private":false,"config_name":"peering"}`)},
		Interfaces: map[string][]json.RawMessage{"sw1": listed(interfaces...)},
	}
}

func TestWhatIsListedIsDecoded(t *testing.T) {
	r, faults := Decode(on(`{
		"type":"edge","description":"Aardvark","dot1q":true,"virtualinterfaceid":7,"lagframing":false,"lagindex":null,"name":"Ethernet1",
		"vlans":[{"number":10,"vlaninterfaceid":70,"macaddresses":["00:53:00:00:00:01"],"ipaddresses":{"ipv4":"192.0.2.1"}}],
		"status":"connected","shutdown":false,"speed":10000,"rate_limit":null,"autoneg":true,"of_a_later_release":{"a":1}}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	i := r.Interfaces["sw1"][0]
	v := i.VLANs[0]
	if i.VirtualInterface != 7 || !i.Dot1Q.Is() || i.LAGFraming.Is() || i.LAGIndex != nil || *i.Speed != 10000 || i.RateLimit != nil {
		t.Errorf("%+v", i)
	}
	if v.Number != 10 || v.VLANInterface != 70 || v.MACs[0] != "00:53:00:00:00:01" || v.IPs != (Addresses{IPv4: "192.0.2.1"}) {
		t.Errorf("%+v", v)
	}
	if w := r.VLANs["sw1"][0]; w.Tag != 10 || w.Private == nil || w.Private.Is() || w.ConfigName != "peering" {
		t.Errorf("%+v", w)
	}
}

func TestNumbersAndFlagsMayBeTexts(t *testing.T) {
	r, faults := Decode(on(`{"name":"Ethernet1","dot1q":"1","virtualinterfaceid":"7","lagframing":0,"speed":"10000","vlans":[{"number":"10","vlaninterfaceid":"70","ipaddresses":[]}]}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	i := r.Interfaces["sw1"][0]
	if !i.Dot1Q.Is() || i.LAGFraming == nil || i.LAGFraming.Is() || i.VirtualInterface != 7 || *i.Speed != 10000 || i.VLANs[0].Number != 10 {
		t.Errorf("%+v", i)
	}
}

func TestRecordWithAFaultIsKeptAsFarAsItIsReadable(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"a number that is none", `{"name":"Ethernet1","description":"Aardvark","virtualinterfaceid":"seven"}`, `interface "Ethernet1" of sw1: virtualinterfaceid: "seven" is not a whole number`},
		{"a fraction", `{"name":"Ethernet1","description":"Aardvark","speed":1.5}`, `"1.5" is not a whole number`},
		{"a number that is too large", `{"name":"Ethernet1","description":"Aardvark","virtualinterfaceid":99999999999}`, `not a whole number`},
		{"a flag that is none", `{"name":"Ethernet1","description":"Aardvark","shutdown":"maybe"}`, `shutdown: neither true nor false`},
		{"VLANs of another shape", `{"vlans":{"number":10},"name":"Ethernet1","description":"Aardvark"}`, `vlans: `},
		{"no name", `{"description":"Aardvark"}`, `interface 0 of sw1: it has no name`},
		{"null", `null`, `it has no name`},
		{"a list", `[1]`, `it is not an object`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, faults := Decode(on(c.text))
			i := r.Interfaces["sw1"][0]
			if len(faults) == 0 || !i.Faulty || !strings.Contains(faults[0].Error(), c.says) {
				t.Fatalf("%v, without %s", faults, c.says)
			}
			if strings.Contains(c.text, "Aardvark") && i.Description != "Aardvark" {
				t.Errorf("a field was lost: %+v", i)
			}
		})
	}
}

func TestWhatIsListedTwiceIsFaultyBothTimes(t *testing.T) {
	a := on(`{"name":"Ethernet1"}`, `{"name":"Ethernet2"}`, `{"name":"Ethernet1"}`)
	a.VLANs["sw1"] = listed(`{"name":"a","tag":10}`, `{"name":"b","tag":"10"}`, `{"name":"c","tag":0}`, `{"name":"d"}`)
	r, faults := Decode(a)
	i, v := r.Interfaces["sw1"], r.VLANs["sw1"]
	if !i[0].Faulty || i[1].Faulty || !i[2].Faulty || !v[0].Faulty || !v[1].Faulty || !v[2].Faulty || !v[3].Faulty {
		t.Errorf("%+v, %+v", i, v)
	}
	var twice, nameless int
	for _, f := range faults {
		if errors.Is(f, ErrTwice) {
			twice++
		}
		if strings.HasSuffix(f.Error(), "it has no tag") {
			nameless++
		}
	}
	if twice != 2 || nameless != 2 {
		t.Error(faults)
	}
}

func TestCommunityIsNotDecoded(t *testing.T) {
	a := on(`{"name":"Ethernet1","snmpcommunity":"hunter2","speed":"fast"}`)
	a.Switches = listed(`{"name":"sw1","id":"x","snmpcommunity":"hunter2"}`, `{"name":["hunter2"],"snmpcommunity":7}`)
	r, faults := Decode(a)
	if text := fmt.Sprintf("%+v %v", r, faults); strings.Contains(text, "hunter2") {
		t.Error(text)
	}
}

// What is decoded has as many records as were listed, and one is faulty if and only if something is said of it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`[{"name":"Ethernet1","virtualinterfaceid":7,"vlans":[{"number":"10","ipaddresses":[]}]},{"name":"Ethernet1"}]`,
		`[{"name":"Port-Channel1","lagmaster":true,"lagmembers":["Ethernet1"],"lagindex":"1"},null,[],7]`,
		`[{"Name":"a","name":"b","shutdown":"x","snmpcommunity":"hunter2"}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var list []json.RawMessage
		if json.Unmarshal(text, &list) != nil {
			return
		}
		a := on()
		a.Interfaces["sw1"], a.VLANs["sw1"] = list, list
		r, faults := Decode(a)
		if len(r.Interfaces["sw1"]) != len(list) || len(r.VLANs["sw1"]) != len(list) {
			t.Fatal("records were lost")
		}
		said := make(map[string]bool)
		for _, f := range faults {
			if !utf8.ValidString(f.Error()) {
				t.Errorf("%q", f.Error())
			}
			said[fmt.Sprint(f.Kind, " ", f.Index)] = true
		}
		for i, x := range r.Interfaces["sw1"] {
			if said[fmt.Sprint("interface ", i)] && !x.Faulty {
				t.Errorf("interface %d: %v", i, faults)
			}
			if !x.Faulty && x.Name == "" {
				t.Errorf("interface %d without a name", i)
			}
		}
		for i, x := range r.VLANs["sw1"] {
			if said[fmt.Sprint("vlan ", i)] && !x.Faulty || !x.Faulty && x.key() == "" {
				t.Errorf("vlan %d: %+v, %v", i, x, faults)
			}
		}
		again, other := Decode(a)
		if fmt.Sprintf("%+v %v", r.VLANs, faults) != fmt.Sprintf("%+v %v", again.VLANs, other) {
			t.Error("decoded in two ways")
		}
	})
}
