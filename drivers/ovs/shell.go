package ovs

import "strings"

// runs is the command under which scripts are run, whatever the shell of the login.
const runs = "exec sh -s"

// script returns commands as what a shell does in full or not at all: it reads to the end of the function before it does
// anything, so that a script cut short does nothing.
func script(commands string) []byte {
	return []byte("ixagent() {\n" + commands + "\n}\nixagent </dev/null\n")
}

// shell quotes a word for a POSIX shell (IEEE Std 1003.1-2017 2.2.2).
func shell(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// command returns words as a command, quoted where they have to be.
func command(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=.:,@/+") != "" {
			w = shell(w)
		}
		b.WriteString(w)
	}
	return b.String()
}
