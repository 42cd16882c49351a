// Package ixpmanager serves the records of a sandbox exchange as IXP Manager's API for provisioning does: of each switch
// the VLANs and the interfaces of members.
//
// What IXP Manager cannot say is left out: two tags, ethertypes other than 0x8100, services other than peering LANs,
// static LAGs, states between order and end. A peering LAN has one number, which is the tag that most of its members use;
// who uses another one is left out, too. So are, as IXP Manager does, connections that wait for something and those that
// are in no VLAN then.
package ixpmanager
