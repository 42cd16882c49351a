// Package ecx says in the records of IX-API what an exchange sells through ECX, now Equinix Fabric.
//
// It is pure: the same records, in whatever order, give the same text. One record of Fabric is one or several of
// IX-API:
//
//	port                          connection of the port's uuid, standalone or lag_lacp
//	its physical ports            ports of their uuids, or if it is no LAG and shows none one of the port's uuid
//	EVPL_VC, EPL_VC               p2p_vc of the connection's uuid, and the configs UUID-a and UUID-z
//	the same to a cloud provider  cloud_vc of the connection's uuid, and the config UUID-a
//	network and its connections   mp2mp_vc or p2mp_vc of the network's uuid, and configs UUID-a
//	profile of a peering LAN      exchange_lan of the profile's uuid
//	IX_VC                         config UUID-a of that LAN, with the MAC address of its exchange service
//	other profile                 product offering of the profile's uuid
//
// Between two QinQ ports a connection is known by its S-tag alone, and between two untagged ones by nothing: customers'
// tags pass unseen. IX-API has no word for that. Such a config is dot1q, with the S-tag as its VLAN and the port's
// ethertype, or port, and its vlan_config has the extension "transparent": true; a connection of a QinQ port takes both
// dot1q and qinq.
//
// What cannot be said in IX-API, contradicts itself or does not show what matters is a [Fault]. It is there
// nevertheless, in state error with a status message that says why, and so stays on switches as it is. A state that is
// not known stays unknown. Nothing that is missing from a record ever gives another record an id: ids come from uuids
// alone.
package ecx
