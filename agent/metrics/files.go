package metrics

import _ "embed"

//go:embed alerts.yaml
var alerts []byte

//go:embed dashboard.json
var dashboard []byte

// Alerts returns rules for Prometheus, as a file of YAML, that alert people to what the metrics tell.
func Alerts() []byte { return alerts }

// Dashboard returns a dashboard for Grafana that shows every metric, as a file of JSON to import.
func Dashboard() []byte { return dashboard }
