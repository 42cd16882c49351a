package main

import (
	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/metrics"
)

func (a *app) metricsCmd() *cobra.Command {
	var alerts, dashboard bool
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Print alert rules for Prometheus, or a dashboard for Grafana",
		Long: `Print what goes with the metrics that ixagent run serves: rules for Prometheus, which take the scrape job to be named
ixagent, or a dashboard to import into Grafana.`,
		Example: "  ixagent metrics --alerts > /etc/prometheus/rules/ixagent.yaml\n  ixagent metrics --dashboard > ixagent-dashboard.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := metrics.Alerts()
			if dashboard {
				text = metrics.Dashboard()
			}
			_, err := a.out.Write(text)
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&alerts, "alerts", false, "print alert rules")
	f.BoolVar(&dashboard, "dashboard", false, "print the dashboard")
	cmd.MarkFlagsMutuallyExclusive("alerts", "dashboard")
	cmd.MarkFlagsOneRequired("alerts", "dashboard")
	return cmd
}
