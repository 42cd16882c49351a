package source

import (
	"context"
	"errors"
	"log/slog"

	"github.com/ixagent/ixagent/agent/config"
	mapping "github.com/ixagent/ixagent/agent/source/ixpmanager"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
)

// manager is an IXP Manager. Its lists are those that its records are in IX-API, so that a change that is none there is
// none.
type manager struct {
	client *ixpmanager.Client
	extras []mapping.Extra
	log    *slog.Logger
	told   told
}

// extras returns what an inventory adds as the mapping wants it.
func extras(added []*config.VirtualInterface) []mapping.Extra {
	out := make([]mapping.Extra, len(added))
	for i, v := range added {
		e := mapping.Extra{VirtualInterface: v.ID, Ethertype: ixapi.Ethertype(v.Ethertype.String()), Inner: make(map[int]int)}
		for _, in := range v.Inner {
			e.Inner[int(in.VLAN)] = int(in.Inner)
		}
		for _, s := range v.Services {
			e.Services = append(e.Services, mapping.Service{
				ID: s.ID, Type: s.Type, VLAN: int(s.VLAN), Inner: int(s.Inner), Role: s.Role, Capacity: s.Capacity,
			})
		}
		out[i] = e
	}
	return out
}

// lists reads all switches, whole.
func (m *manager) lists(ctx context.Context) (map[ixapi.Collection]body, error) {
	records, unreadable, err := m.client.Read(ctx)
	if errors.Is(err, ixpmanager.ErrChanged) {
		err = errors.Join(ErrUnsettled, err)
	}
	if err != nil {
		return nil, err
	}
	mapped, faults, err := mapping.Map(records, unreadable, m.extras)
	if err != nil {
		return nil, err
	}
	m.told = tell(m.told, m.log, faults, func(f mapping.Fault) bool { return f.Refused })
	lists := make(map[ixapi.Collection]body, len(mapped))
	for c, raw := range mapped {
		lists[c] = newBody(raw)
	}
	return lists, nil
}

func (m *manager) fault(err error) error               { return err }
func (m *manager) watch(context.Context, func()) error { return nil }
func (m *manager) close()                              { m.client.Close() }
