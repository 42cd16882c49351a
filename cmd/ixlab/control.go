package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/sandbox"
)

// maxOrder bounds the body of a request to the control socket, in bytes.
const maxOrder = 1 << 20

// control lets whoever runs a sandbox change its records and break its parts.
type control struct{ lab *lab }

func (c control) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(r *http.Request, body []byte) ([]byte, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var answer []byte
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
			if err == nil {
				answer, err = do(r, body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_, _ = w.Write(answer)
		})
	}
	handle("GET /records/{collection}/{id...}", func(r *http.Request, _ []byte) ([]byte, error) {
		return c.lab.Exchange.Get(r.PathValue("collection"), r.PathValue("id"))
	})
	handle("PATCH /records/{collection}/{id...}", func(r *http.Request, body []byte) ([]byte, error) {
		var fields map[string]any
		if err := json.Unmarshal(body, &fields); err != nil {
			return nil, err
		}
		return nil, c.lab.Patch(r.PathValue("collection"), r.PathValue("id"), fields)
	})
	handle("DELETE /records/{collection}/{id...}", func(r *http.Request, _ []byte) ([]byte, error) {
		return nil, c.lab.Exchange.Delete(r.PathValue("collection"), r.PathValue("id"))
	})
	handle("PUT /records/{collection}", func(r *http.Request, body []byte) ([]byte, error) {
		return nil, c.lab.Exchange.Put(r.PathValue("collection"), body)
	})
	handle("POST /subscribers", func(_ *http.Request, body []byte) ([]byte, error) {
		var sub struct{ URL, Token string }
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&sub); err != nil {
			return nil, err
		}
		return nil, c.lab.Exchange.Subscribe(exchange.Subscriber{URL: sub.URL, Token: sub.Token})
	})
	handle("GET /results", func(*http.Request, []byte) ([]byte, error) {
		var lines []byte
		for _, e := range c.lab.Exchange.Results() {
			line, err := json.Marshal(e)
			if err != nil {
				return nil, err
			}
			lines = append(append(lines, line...), '\n')
		}
		return lines, nil
	})
	handle("POST /faults", func(_ *http.Request, body []byte) ([]byte, error) { return nil, c.inject(body) })
	handle("DELETE /faults", func(*http.Request, []byte) ([]byte, error) {
		return nil, c.lab.ClearFaults()
	})
	return mux
}

// fault is what is to go wrong.
type fault struct {
	On         string `json:"on"` // "exchange", or the name of a switch
	Kind       string `json:"kind"`
	Collection string `json:"collection"` // of the exchange, all of them when it is empty
	Times      int    `json:"times"`      // until it is taken away when it is 0
	Delay      string `json:"delay"`      // a duration: of slow answers, of Retry-After, of Sets that stall
	Status     int    `json:"status"`     // of HTTP
	Percent    int    `json:"percent"`    // that a list shrinks by
	Bytes      int64  `json:"bytes"`      // of a huge answer
	Port       string `json:"port"`       // or LAG, that is harmed
	Versions   int    `json:"versions"`   // that stale answers lag behind
	Command    string `json:"command"`    // of a command line: how those begin that it is of, all when it is empty
	At         int    `json:"at"`         // octets of their output
	Text       string `json:"text"`       // that is left out, put in, asked, answered, or the banner
}

func exchangeFaults() map[string]exchange.FaultKind {
	return map[string]exchange.FaultKind{
		"failing": exchange.Failing, "slow": exchange.Slow, "reset": exchange.Reset, "truncated": exchange.Truncated,
		"interrupted": exchange.Interrupted, "empty": exchange.Empty, "shrunk": exchange.Shrunk, "shifting": exchange.Shifting,
		"endless": exchange.Endless, "huge": exchange.Huge, "page": exchange.Page, "expired-tokens": exchange.ExpiredTokens, "stale": exchange.Stale,
	}
}

// harm is the fault of a switch that takes a port.
const harm = "harm"

func switchFaults() map[string]func(s *sandbox.Switch, times int, delay time.Duration) {
	return map[string]func(*sandbox.Switch, int, time.Duration){
		"refuse-sets":        func(s *sandbox.Switch, times int, _ time.Duration) { s.Faults.RefuseSets(times, codes.Aborted) },
		"stall-sets":         func(s *sandbox.Switch, _ int, delay time.Duration) { s.Faults.StallSets(delay) },
		"drop-before-commit": func(s *sandbox.Switch, times int, _ time.Duration) { s.Faults.DropBeforeCommit(times) },
		"drop-after-commit":  func(s *sandbox.Switch, times int, _ time.Duration) { s.Faults.DropAfterCommit(times) },
		"truncate-gets":      func(s *sandbox.Switch, times int, _ time.Duration) { s.Faults.TruncateGets(times) },
		"undo-sets":          func(s *sandbox.Switch, times int, _ time.Duration) { s.Faults.UndoSets(times) },
		"ignore-commit":      func(s *sandbox.Switch, _ int, _ time.Duration) { s.Faults.IgnoreCommitExtension(true) },
		"reboot":             func(s *sandbox.Switch, _ int, _ time.Duration) { s.Reboot() },
		"down":               func(s *sandbox.Switch, _ int, _ time.Duration) { s.Close() },
	}
}

// noise is what is no fault of a command line.
const noise = "noise"

func lineFaults() map[string]cli.Kind {
	return map[string]cli.Kind{
		"mute": cli.Mute, "cut-before": cli.CutBefore, "cut-after": cli.CutAfter, "cut": cli.Cut, "stop": cli.Stop, "end": cli.End,
		"truncate": cli.Truncate, "omit": cli.Omit, "insert": cli.Insert, "ask": cli.Ask, "answer": cli.Answer,
	}
}

func kindsOf[F any](faults map[string]F) string {
	return "  " + strings.Join(slices.Sorted(maps.Keys(faults)), ", ") + "\n"
}

func (c control) inject(body []byte) error {
	var f fault
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return err
	}
	var delay time.Duration
	if f.Delay != "" {
		var err error
		if delay, err = time.ParseDuration(f.Delay); err != nil {
			return err
		}
	}
	if f.Times < 0 || delay < 0 {
		return errors.New("times or delay is negative")
	}
	if f.On == "exchange" {
		kind, ok := exchangeFaults()[f.Kind]
		if !ok {
			return fmt.Errorf("an exchange has no fault %q", f.Kind)
		}
		c.lab.Exchange.Inject(exchange.Fault{
			Kind: kind, Collection: f.Collection, Times: f.Times, Status: f.Status, RetryAfter: delay, Delay: delay, Percent: f.Percent, Bytes: f.Bytes,
			Versions: f.Versions,
		})
		return nil
	}
	s, ok := c.lab.Switches[f.On]
	if !ok {
		return fmt.Errorf("there is no switch %q", f.On)
	}
	if f.Kind == harm {
		return s.Harm(f.Port)
	}
	if s.Lines != nil {
		if f.Kind == noise {
			s.Lines.SetNoise(cli.Noise{Banner: f.Text, Chunk: 7, Pause: delay, ANSI: true})
			return nil
		}
		if kind, ok := lineFaults()[f.Kind]; ok {
			s.Lines.Add(cli.Fault{Kind: kind, Command: f.Command, At: f.At, Text: f.Text, Count: f.Times})
			return nil
		}
	}
	set, ok := switchFaults()[f.Kind]
	if !ok {
		return fmt.Errorf("%s has no fault %q", f.On, f.Kind)
	}
	if f.Times == 0 {
		f.Times = math.MaxInt
	}
	set(s, f.Times, delay)
	return nil
}
