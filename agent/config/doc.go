// Package config reads what an operator tells the agent: one strict YAML file, with an inventory of the switches
// in it or beside it.
//
// [Load] returns a [Config] that is valid as a whole, or every fault of it with file, line and column. Secrets
// are not read but referred to, and fetched when they are used. [Schema] describes the file to editors, and
// [Example] is a complete one.
package config
