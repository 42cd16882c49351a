// Package topology lays out a lab on one machine: the nodes, links and management network of a file in containerlab's
// own format, out of network namespaces and veths.
//
// The same file runs in containers under containerlab. Where a node can tell the two apart they agree: its file system
// holds its program and little else, eth0 is there before the program starts and the data links come after it, links
// have an MTU of 9500 octets and no checksum offload, and capabilities are those of the file. Two things differ. Names
// of other nodes do not resolve, and eth0 has no IPv6 address.
//
// A lab is a tree of processes and nothing else. Its root, the supervisor, is the first process of a PID namespace, so
// the kernel ends all others when it ends, whatever the reason; namespaces, veths and mounts go with them. Nothing is
// written to disk. A lab is found by the abstract Unix socket that its supervisor listens on.
package topology
