package config

import (
	"maps"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/models/ixapi"
)

// CanSay reports whether the source has words for something.
func (s *Source) CanSay(m Matter) bool {
	if s.CannotSay == nil && s.Type == SourceIXPManager {
		return m == MatterLACP || m == MatterMACs || m == MatterRate
	}
	return !slices.Contains(s.CannotSay, m)
}

// Folder returns a source that is not in the configuration, a folder of records.
func Folder(path string) *Source {
	return &Source{Name: string(SourceFile) + ":" + path, Type: SourceFile, Path: Path{name: path}}
}

// As returns the inventory as a source knows it, in which a witness has its own ids.
func (inv *Inventory) As(s *Source) *Inventory {
	if !s.Witness {
		return inv
	}
	own := *inv
	own.index.ids, own.index.lans = maps.Clone(inv.index.ids), maps.Clone(inv.index.lans)
	own.index.portIDs, own.index.portNames = maps.Clone(inv.index.portIDs), maps.Clone(inv.index.portNames)
	for _, d := range inv.Devices {
		if _, taken := own.index.ids[d.Name]; !taken {
			own.index.ids[d.Name] = d
		}
	}
	for name, id := range s.IDs.Devices {
		own.index.ids[id] = inv.index.names[name]
	}
	for id, d := range own.index.ids {
		for _, p := range d.Ports {
			for _, name := range []string{p.Name, p.Interface} {
				if _, taken := inv.index.portNames[portName{id, name}]; name != "" && !taken {
					own.index.portNames[portName{id, name}] = Attachment{d, p}
				}
			}
		}
	}
	for _, d := range inv.Devices {
		for _, p := range d.Ports {
			if id, ok := s.IDs.Ports[d.Name+"/"+p.Interface]; ok {
				own.index.portIDs[id] = Attachment{d, p}
			}
		}
	}
	for _, lan := range inv.ExchangeLANs {
		if id := "vlan-" + strconv.Itoa(int(lan.VLAN)); s.Type == SourceIXPManager && lan.VLAN != 0 && own.index.lans[id] == nil {
			own.index.lans[id] = lan
		}
		if id, ok := s.IDs.ExchangeLANs[lan.Name]; ok {
			own.index.lans[id] = lan
		}
	}
	return &own
}

// witness checks that the first source provisions, and no other.
func (k *checker) witness(s *Source, first bool) {
	switch {
	case first && s.Witness:
		k.faultAt(&s.Witness, "let the source that provisions be the first", "the first source provisions, and a witness does not")
	case first:
		k.idle(&s.IDs, "the source that provisions, whose ids are those of the inventory")
	case !s.Witness:
		k.faultAt(&s.Name, "write witness: true", "%s is beside the source that provisions, and one provisions", s.Name)
	}
}

// ids checks that witnesses have ids for what is in the inventory, and one for each.
func (k *checker) ids() {
	devices := k.inv.index.names
	lans, ports := make(map[string]bool), make(map[string]bool)
	for _, lan := range k.inv.ExchangeLANs {
		lans[lan.Name] = true
	}
	for _, d := range devices {
		for _, p := range d.Ports {
			ports[d.Name+"/"+p.Interface] = true
		}
	}
	for _, s := range k.c.Sources {
		k.identified(&s.IDs, s.IDs.Devices, "device", func(name string) bool { return devices[name] != nil })
		k.identified(&s.IDs, s.IDs.Ports, "port", func(name string) bool { return ports[name] })
		k.identified(&s.IDs, s.IDs.ExchangeLANs, "peering LAN", func(name string) bool { return lans[name] })
	}
}

// identified checks ids of one kind, by name.
func (k *checker) identified(at any, ids map[string]ixapi.ID, kind string, known func(string) bool) {
	names := make(map[ixapi.ID]string)
	for _, name := range slices.Sorted(maps.Keys(ids)) {
		id := ids[name]
		if !known(name) {
			k.faultAt(at, "", "the inventory has no %s named %q", kind, name)
		}
		if other, taken := names[id]; taken {
			k.faultAt(at, "", "%s %s is %s and %s", kind, id, other, name)
		}
		names[id] = name
	}
}
