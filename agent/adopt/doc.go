// Package adopt describes an exchange that ran before the agent came. From what is sold and what the switches carry it
// finds the inventory under which the first plan is as small as it can be, with the evidence of each line, and what does
// not fit.
//
// It is pure. What is sold is what the compiler makes of the records on switches of which nothing is known yet; what
// carries the same on a switch is taken for it. Where the evidence is not of one mind nothing is taken: a person decides.
package adopt
