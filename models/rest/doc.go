// Package rest asks a server for JSON over HTTP until there is an answer that another attempt would not change.
//
// Answers are bounded in size and time, tokens are renewed before they expire and once after they were refused,
// credentials stay within TLS and on their origin, and an error never quotes one.
package rest
