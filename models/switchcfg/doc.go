// Package switchcfg is the vendor-neutral model of what an exchange's switch carries for its members.
//
// A [State] maps each [Key] to one [Object]: a customer port ([Interface]), a link aggregation group
// ([LAG]), an attachment circuit ([Circuit]), the [Service] the circuit joins, the [Filter] its frames
// pass and the [Policer] that bounds its rate. Objects are immutable once they are in a State, so States
// may share them. The canonical text of an object is the only thing that is hashed and shown, and [Equal]
// is defined to agree with it.
//
// [Check] says whether a State is legal: whether every reference resolves, no encapsulation is taken
// twice, no port bridges to itself, no group is below its minimum.
package switchcfg
