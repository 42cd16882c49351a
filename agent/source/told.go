package source

import "log/slog"

// told are the faults of records in the latest read of an exchange whose records are mapped, but for those that are shown
// with the plan.
type told map[string]bool

// tell logs the faults that were not there before, and returns those that are.
func tell[F error](before told, log *slog.Logger, faults []F, shown func(F) bool) told {
	now := make(told)
	for _, fault := range faults {
		if shown(fault) {
			continue
		}
		text := fault.Error()
		if now[text] = true; !before[text] {
			log.Warn("record of the exchange is of no use", "err", fault)
		}
	}
	return now
}
