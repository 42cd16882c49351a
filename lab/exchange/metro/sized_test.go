package metro_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ixagent/ixagent/lab/exchange/metro"
)

func TestSizedExchangeHasWhatIsAskedForAndEveryLineTwoSwitches(t *testing.T) {
	for _, size := range []struct{ devices, circuits int }{{2, 1}, {3, 4}, {4, 10}, {5, 57}, {2, 100}} {
		t.Run(fmt.Sprintf("%dx%d", size.devices, size.circuits), func(t *testing.T) {
			files, conf, err := metro.Sized(size.devices, size.circuits)
			if err != nil || len(conf) == 0 {
				t.Fatal(err)
			}
			read := func(name string) collection {
				var records []*record
				if err := json.Unmarshal(files[name+".json"], &records); err != nil {
					t.Fatal(err)
				}
				all := collection{}
				for _, r := range records {
					all[r.ID] = r
				}
				return all
			}
			conns, ports := read("connections"), read("ports")
			circuits, plugged := map[string]int{}, map[string]int{}
			lines := map[string][]string{}
			for id, k := range read("network-service-configs") {
				device := ports[conns[*k.Connection].Ports[0]].Device
				circuits[device]++
				switch k.Type {
				case "p2p_vc":
					lines[k.Service] = append(lines[k.Service], device)
				case "exchange_lan":
					if len(k.MACs) == 0 {
						t.Errorf("%s has no MAC", id)
					}
				default:
					t.Errorf("%s is a %s", id, k.Type)
				}
			}
			for _, p := range ports {
				plugged[p.Device]++
			}
			if len(circuits) != size.devices {
				t.Errorf("%d devices", len(circuits))
			}
			for device, n := range circuits {
				if n != size.circuits || plugged[device] > 48 {
					t.Errorf("%s has %d circuits and %d ports", device, n, plugged[device])
				}
			}
			for id, ends := range lines {
				if len(ends) != 2 || ends[0] == ends[1] {
					t.Errorf("%s has its ends on %v", id, ends)
				}
			}
		})
	}
}

func TestSizeWithinBounds(t *testing.T) {
	for _, size := range [][2]int{{1, 10}, {2, 0}, {1001, 1}, {2, 101}} {
		if _, _, err := metro.Sized(size[0], size[1]); err == nil {
			t.Errorf("%v is a size", size)
		}
	}
}
