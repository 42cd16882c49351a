// Package exchange is a sandbox exchange: it serves a folder of records as an IX-API v2 server would (2.7.1), with
// its logins, filters and pagination, lets a test or a demonstration change the records while it runs, and misbehaves
// when it is told to.
package exchange
