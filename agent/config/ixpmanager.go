package config

import (
	"slices"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
)

// IXPManager returns what an ixpmanager source is read with, its API key fetched. The error is a [Fault] or [Faults].
func (s *Source) IXPManager() (ixpmanager.Options, error) {
	var o ixpmanager.Options
	config, _, word, err := s.trust()
	o.BaseURL, o.TLS.Config, o.Key = s.URL, config, word
	return o, err
}

func (k *checker) ixpManager(s *Source) {
	const kind = "an ixpmanager source"
	k.needs(s, &s.URL, "url", kind)
	k.idle(&s.Path, kind)
	k.url(&s.URL, true)
	k.tls(s.TLS)
	if !k.needs(s, &s.Auth, "auth", kind) || s.Auth == nil {
		return
	}
	if t := s.Auth.Type; t != AuthStatic && t != "" {
		k.faultAt(&s.Auth.Type, "write type: static, with the API key as secret", "%s is asked with an API key, and not by %s", kind, t)
		return
	}
	k.auth(s.Auth)
}

// virtualInterfaces checks what is added to virtual interfaces of an IXP Manager.
func (k *checker) virtualInterfaces() {
	if !slices.ContainsFunc(k.c.Sources, func(s *Source) bool { return s.Type == SourceIXPManager }) {
		k.idle(&k.inv.VirtualInterfaces, "a source that is no ixpmanager")
		return
	}
	ids := make(map[int]any)
	services := make(map[ixapi.ID]*AddedService)
	for _, v := range k.inv.VirtualInterfaces {
		unique(k, ids, v.ID, &v.ID, "virtual interface")
		vlans := make(map[uint16]any)
		for _, in := range v.Inner {
			unique(k, vlans, uint16(in.VLAN), &in.VLAN, "VLAN")
		}
		joined := make(map[ixapi.ID]any)
		for _, s := range v.Services {
			unique(k, joined, s.ID, &s.ID, "service")
			first := services[s.ID]
			if first == nil {
				services[s.ID], first = s, s
			}
			k.addedService(s, first)
		}
	}
}

// addedService checks a service, which is first named at another place or here.
func (k *checker) addedService(s, first *AddedService) {
	if lan, taken := k.inv.ExchangeLAN(s.ID); taken {
		k.faultAt(&s.ID, "", "%s is the peering LAN at %s", s.ID, k.at(&lan.NetworkService))
	}
	if s.Type != first.Type && s.Type != "" && first.Type != "" {
		k.faultAt(&s.Type, "", "service %s is a %s at %s", s.ID, first.Type, k.at(&first.Type))
	}
	if k.given(&s.Inner) {
		k.needs(s, &s.VLAN, "vlan", "inner")
	}
	if s.Type != ixapi.ServiceP2MP {
		k.idle(&s.Role, "a "+string(s.Type))
	}
}
