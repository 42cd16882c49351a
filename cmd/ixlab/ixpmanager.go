package main

import (
	"fmt"
	"strings"

	"github.com/ixagent/ixagent/models/ixapi"
)

// readFrom returns the data set that a source of the agent reads.
func readFrom(set, source string) (string, error) {
	switch {
	case source == "ixapi":
		return set, nil
	case source != "ixpmanager":
		return "", fmt.Errorf("%q is no source of a demonstration: it is ixapi or ixpmanager", source)
	case set != "metro":
		return "", fmt.Errorf("data set %s has no IXP Manager: metro has one", set)
	}
	return set + "-ixpmanager", nil
}

// originals returns edits of the records that the exchange has where those that an IXP Manager makes of them are edited.
func (d *demo) originals(all []edit) (out []edit) {
	for _, e := range all {
		number, _, _ := strings.Cut(strings.TrimPrefix(e.id, "vli-"), "-")
		id := "nsc:" + number
		r := d.lab.Exchange.Store().Now().Get(string(ixapi.NetworkServiceConfigs), id)
		if r == nil {
			continue
		}
		if e.collection == ixapi.MACs {
			addresses := r.List("macs")
			if len(addresses) == 0 {
				continue
			}
			id = addresses[0]
		}
		e.id = id
		out = append(out, e)
	}
	return out
}
