package switchd

import (
	"slices"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

const (
	maxRecords     = 256
	maxRecordBytes = 32 << 20
)

// Record is one Set the switch has answered.
type Record struct {
	Time    time.Time
	Took    time.Duration
	User    string
	Request *gpb.SetRequest // must not be changed
	Code    codes.Code
	Message string // why it was refused
}

// audit keeps the last Sets, bounded in number and bytes.
type audit struct {
	mu      sync.Mutex
	records []Record
	sizes   []int
	bytes   int
}

func (a *audit) add(r Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	size := proto.Size(r.Request)
	a.records, a.sizes, a.bytes = append(a.records, r), append(a.sizes, size), a.bytes+size
	for len(a.records) > 1 && (len(a.records) > maxRecords || a.bytes > maxRecordBytes) {
		a.bytes -= a.sizes[0]
		a.records, a.sizes = slices.Delete(a.records, 0, 1), slices.Delete(a.sizes, 0, 1)
	}
}

func (a *audit) list() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.records)
}
