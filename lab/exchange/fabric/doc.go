// Package fabric is the sandbox exchange as its customers order from it through the API of Equinix Fabric, version 4,
// formerly ECX: ports, the service profiles of sellers, connections that sellers approve, networks, and resellers with
// their sub-accounts.
package fabric
