// Command ixagent keeps the switches of an Internet exchange equal to what the exchange has sold.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // maintenance windows have time zones, and not every machine knows them

	"github.com/ixagent/ixagent/drivers/all"
)

// version is set when a release is built.
var version = "devel"

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{drivers: all.Registry(), version: version, in: os.Stdin, out: os.Stdout, err: os.Stderr}
	cmd := a.root()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "ixagent: interrupted")
		return 130
	case errors.As(err, &code):
		return int(code)
	}
	report(os.Stderr, err)
	return 1
}
