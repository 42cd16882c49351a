package main

import (
	"github.com/ixagent/ixagent/agent/reconcile"
	"github.com/ixagent/ixagent/models/plan"
)

// report is what happened in a demonstration, for machines. Fields are only added.
type report struct {
	Set        string           `json:"set"`
	Exchange   string           `json:"exchange"` // URL
	Devices    []*deviceReport  `json:"devices"`
	Rejections []rejectionGroup `json:"rejections"`
	Edits      []editReport     `json:"edits"`            // made at the exchange while the daemon ran
	Frames     []frameReport    `json:"frames,omitempty"` // sent between members' routers, where there are wires
	Settled    bool             `json:"settled"`          // after them the plans of all switches are empty
	Seconds    float64          `json:"seconds"`          // in all
}

type deviceReport struct {
	Name    string             `json:"name"`
	Address string             `json:"address"`
	ByHand  []string           `json:"made_by_hand,omitempty"` // objects, which stayed as they were
	Plan    counts             `json:"plan"`
	Apply   *reconcile.Outcome `json:"apply"`
}

// counts are those of [plan.Plan.Counts], and of what was withheld.
type counts struct {
	Create   int `json:"create"`
	Update   int `json:"update"`
	Delete   int `json:"delete"`
	Withheld int `json:"withheld"`
}

func count(p plan.Plan) counts {
	c := counts{Withheld: len(p.Withheld)}
	c.Create, c.Update, c.Delete = p.Counts()
	return c
}

type rejectionGroup struct {
	Tag     string `json:"tag"`
	Count   int    `json:"count"`
	Example string `json:"example"`
}

type editReport struct {
	Edit    string  `json:"edit"`
	Device  string  `json:"device"`
	Seconds float64 `json:"seconds"` // until the switch had it confirmed
}
