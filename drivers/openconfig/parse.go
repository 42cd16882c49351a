package openconfig

import (
	"encoding/json"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Parse returns the state that a configuration stands for, as a session with a switch of these capabilities observes
// it. Text is the configuration from the root of its tree on, as JSON (RFC 7951).
func Parse(text []byte, c *drivers.Capabilities) (switchcfg.State, error) {
	var containers map[string]json.RawMessage
	if err := json.Unmarshal(text, &containers); err != nil {
		return nil, err
	}
	state, _, err := parse(answer{
		interfaces: containers["openconfig-interfaces:interfaces"], lacp: containers["openconfig-lacp:lacp"],
		instances: containers["openconfig-network-instance:network-instances"],
		acl:       containers["openconfig-acl:acl"], qos: containers["openconfig-qos:qos"],
	}, c)
	return state, err
}
