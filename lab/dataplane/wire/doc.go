// Package wire sends and receives whole Ethernet frames on a network interface of the Linux kernel, in batches, through
// a packet socket (packet(7)).
//
// The kernel takes the outermost tag off a frame that arrives, if its ethertype is 0x8100 or 0x88a8, and tells of it
// beside the frame; [Wire.Read] puts it back. Frames that are sent carry their tags in band. An interface needs an MTU
// that leaves room for them.
package wire
