package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is a store that outlives processes. A process that is dead writes nothing any more.
type disk struct {
	mu       sync.Mutex
	seq      uint64
	waiting  map[uint64]Notice
	reported map[string]Result
	full     bool
}

func (d *disk) waits() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

type process struct {
	*disk
	dead bool
}

func (p *process) Reported() (results []Result, waiting []Notice, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reported {
		results = append(results, r)
	}
	for _, n := range p.waiting {
		waiting = append(waiting, n)
	}
	slices.SortFunc(waiting, func(a, b Notice) int { return int(a.Seq) - int(b.Seq) })
	return results, waiting, nil
}

func (p *process) Post(notices []Notice, gone []uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead || p.full {
		return errors.New("no space")
	}
	for _, seq := range gone {
		delete(p.waiting, seq)
	}
	for i := range notices {
		p.seq++
		notices[i].Seq = p.seq
		p.waiting[p.seq] = notices[i]
		p.reported[notices[i].Result.Record()] = notices[i].Result
	}
	return nil
}

func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// receiver is a webhook's far end. Answer decides what it says to an event, and whether the answer is lost.
type receiver struct {
	mu     sync.Mutex
	answer func(record string) (code int, lost bool)
	got    map[string][]event.Event // accepted, by record
}

func (x *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var e event.Event
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	code, lost := 200, false
	if x.answer != nil {
		code, lost = x.answer(e.Subject())
	}
	if code == 200 {
		x.got[e.Subject()] = append(x.got[e.Subject()], e)
	}
	if lost {
		return nil, errors.New("connection reset")
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

// says lets the receiver answer so from now on.
func (x *receiver) says(answer func(record string) (int, bool)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answer = answer
}

// running is a reporter at work.
type running struct {
	*Reporter
	*process
	stop func()
}

func begin(t *testing.T, d *disk, x *receiver) running {
	t.Helper()
	return beginWith(t, d, x, nil)
}

func beginWith(t *testing.T, d *disk, x *receiver, log *slog.Logger) running {
	t.Helper()
	p := &process{disk: d}
	hook, err := NewWebhook("https://backoffice.example.net/", secret.New("moonlight"), nil, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	hook.client.Transport = x
	r, err := New(Options{Webhook: hook, Store: p, Source: "ixagent/metro", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(ctx) }()
	return running{r, p, func() { cancel(); <-ended }}
}

// post makes a result that of a record.
func (r running) post(id string, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := markOf(ixapi.Connections, id)
	r.records[m] = &record{collection: ixapi.Connections, id: id, listed: true}
	x := Result{Collection: ixapi.Connections, ID: id, State: Rejected, Since: time.Now(), Devices: []string{}}
	x.say(x.Since, severityError, "collision", text, nil)
	r.settle(m, x)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func newDisk() *disk {
	return &disk{waiting: make(map[uint64]Notice), reported: make(map[string]Result)}
}

func newReceiver() *receiver { return &receiver{got: make(map[string][]event.Event)} }

func message(e event.Event) string {
	var r Result
	if e.DataAs(&r) != nil || len(r.Status) == 0 {
		return ""
	}
	return r.Status[0].Message[len("connection x "):]
}

// step is something that happens to a reporter or its receiver.
type step struct {
	what    string
	record  string
	codes   map[string]int
	lost    bool
	seconds int
	settle  bool // all that follows from it happens before the next
}

func letters() []string { return []string{"a", "b", "c"} }

func drawStep(t *rapid.T) step {
	codes := make(map[string]int)
	for _, id := range letters() {
		codes["connections/"+id] = rapid.SampledFrom([]int{200, 200, 400, 500, 401}).Draw(t, "code")
	}
	return step{
		rapid.SampledFrom([]string{"post", "post", "kill", "restart", "answers", "full", "time"}).Draw(t, "step"),
		rapid.SampledFrom(letters()).Draw(t, "record"), codes, rapid.Bool().Draw(t, "lost"), rapid.IntRange(0, 120).Draw(t, "seconds"), rapid.Bool().Draw(t, "settle"),
	}
}

// Whatever the receiver answers, whenever the process is killed: each record's events arrive in order, but for those
// that arrive again with the same id, and the latest of each arrives.
func TestEventsArriveInOrderAndTheLatestArrives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 1, 25).Draw(rt, "steps")
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = follow(t, steps) })
		if len(faults) > 0 {
			rt.Fatal(faults)
		}
	})
}

// follow takes the steps and returns what is wrong with what arrived.
func follow(t *testing.T, steps []step) (faults []string) {
	d, x := newDisk(), newReceiver()
	r := begin(t, d, x)
	want := make(map[string]string)
	for i, s := range steps {
		switch s.what {
		case "post":
			want[s.record] = fmt.Sprint(i)
			r.post(s.record, want[s.record])
		case "kill", "restart":
			if s.what == "kill" {
				r.kill()
			}
			r.stop()
			r = begin(t, d, x)
			for id, text := range want { // is found out again
				r.post(id, text)
			}
		case "answers":
			x.says(func(record string) (int, bool) { return s.codes[record], s.lost })
		case "full":
			d.mu.Lock()
			d.full = !d.full
			d.mu.Unlock()
		case "time":
			<-time.After(time.Duration(s.seconds) * time.Second)
		}
		if s.settle {
			synctest.Wait()
		}
	}
	x.says(nil)
	d.mu.Lock()
	d.full = false
	d.mu.Unlock()
	<-time.After(15 * time.Minute)
	r.stop()
	for id, text := range want {
		var last uint64
		seen := make(map[string]bool)
		latest := ""
		for _, e := range x.got["connections/"+id] {
			if seen[e.ID()] {
				continue
			}
			seen[e.ID()] = true
			var seq uint64
			if _, err := fmt.Sscanf(e.Extensions()["sequence"].(string), "%d", &seq); err != nil || seq <= last {
				faults = append(faults, fmt.Sprintf("%s: event %d after %d", id, seq, last))
			}
			last, latest = seq, message(e)
		}
		if latest != text {
			faults = append(faults, fmt.Sprintf("%s: the latest that arrived is %q, not %q", id, latest, text))
		}
	}
	if len(d.waiting) > 0 {
		faults = append(faults, fmt.Sprintf("%d are still stored", len(d.waiting)))
	}
	return faults
}

func TestRefusedRecordHoldsUpNoOther(t *testing.T) {
	for name, code := range map[string]int{"refused": 400, "fails": 500} {
		synctest.Test(t, func(t *testing.T) {
			d, x := newDisk(), newReceiver()
			x.says(func(record string) (int, bool) {
				if record == "connections/bad" {
					return code, false
				}
				return 200, false
			})
			r := begin(t, d, x)
			defer func() { r.stop() }()
			r.post("bad", "1")
			for i := range 100 {
				r.post(fmt.Sprint("c", i), "1")
			}
			time.Sleep(10 * time.Second)
			x.mu.Lock()
			got := len(x.got)
			x.mu.Unlock()
			if got != 100 {
				t.Errorf("%s: %d of 100 others arrived", name, got)
			}
		})
	}
}

func TestRefusedEventGivesWayToALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, x := newDisk(), newReceiver()
		x.says(func(string) (int, bool) { return 422, false })
		r := begin(t, d, x)
		r.post("a", "1")
		time.Sleep(time.Second)
		r.post("a", "2")
		time.Sleep(10 * time.Minute)
		r.stop()
		if len(d.waiting) != 1 || d.waiting[2].Result.Status[0].Message != "connection a 2" {
			t.Errorf("there wait %v", d.waiting)
		}
	})
}

func TestFullOutboxKeepsTheLatestOfEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, x := newDisk(), newReceiver()
		x.says(func(string) (int, bool) { return 503, false })
		r := begin(t, d, x)
		r.post("quiet", "1")
		r.post("quiet", "2")
		synctest.Wait()
		for i := range 3 * maxWaiting {
			r.post(fmt.Sprint("c", i%10), fmt.Sprint(i))
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if n := d.waits(); n > maxWaiting || n < 10 {
			t.Errorf("%d wait", n)
		}
		x.says(nil)
		time.Sleep(10 * time.Minute)
		r.stop()
		for i := range 10 {
			got := x.got[fmt.Sprint("connections/c", i)]
			if want := fmt.Sprint(3*maxWaiting - 10 + i); len(got) == 0 || message(got[len(got)-1])[1:] != want {
				t.Errorf("c%d ends with %v", i, got[len(got)-1])
			}
		}
		if got := x.got["connections/quiet"]; len(got) == 0 || !strings.HasSuffix(message(got[len(got)-1]), "2") {
			t.Errorf("what was said before the others ends with %v", got)
		}
	})
}

func TestSilentReceiverIsAskedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, x := newDisk(), newReceiver()
		asked := 0
		x.says(func(string) (int, bool) { asked++; return 503, false })
		var log strings.Builder
		r := beginWith(t, d, x, slog.New(slog.NewTextHandler(&log, nil)))
		for i := range 1000 {
			r.post(fmt.Sprint("c", i), "1")
		}
		time.Sleep(time.Hour)
		r.stop()
		if asked > 1000 {
			t.Errorf("asked %d times in an hour", asked)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || strings.Contains(log.String(), "moonlight") {
			t.Errorf("the log has %d lines\n%s", n, &log)
		}
	})
}

func TestEventIsACloudEvent(t *testing.T) {
	var got *http.Request
	var body []byte
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer far.Close()
	hook, err := NewWebhook(far.URL, secret.New("moonlight"), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer hook.client.CloseIdleConnections()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	n := Notice{Seq: 7, ID: "X", Result: Result{Collection: ixapi.NetworkServiceConfigs, ID: "1042", Account: "17", State: Provisioned, Since: at, Devices: []string{"sw1"}, Revision: "00"}}
	n.Result.say(at, severityInfo, TagProvisioned, "is configured on sw1", map[string]any{"devices": []string{"sw1"}})
	if err := hook.deliver(t.Context(), n, "ixagent/metro"); err != nil {
		t.Fatal(err)
	}
	const want = `{"specversion":"1.0","id":"X","source":"ixagent/metro","type":"net.ixagent.provisioning.result.v1","subject":"network-service-configs/1042",` +
		`"datacontenttype":"application/json","time":"2026-03-01T12:00:00Z","data":{"collection":"network-service-configs","id":"1042","account":"17","state":"provisioned",` +
		`"since":"2026-03-01T12:00:00Z","devices":["sw1"],"revision":"00","status":[{"severity":6,"tag":"provisioned","message":"network-service-config 1042 is configured on sw1",` +
		`"attrs":{"devices":["sw1"]},"timestamp":"2026-03-01T12:00:00Z"}]},"sequence":"00000000000000000007"}`
	if string(body) != want {
		t.Errorf("posted\n%s, want\n%s", body, want)
	}
	if got.Header.Get("Content-Type") != "application/cloudevents+json" || got.Header.Get("Authorization") != "Bearer moonlight" {
		t.Errorf("header %v", got.Header)
	}
}

func TestTokenGoesNowhereElse(t *testing.T) {
	for _, address := range []string{"http://backoffice.example.net/", "http://192.0.2.1/", "ftp://127.0.0.1/", "backoffice", "http:///x"} {
		if _, err := NewWebhook(address, secret.New("moonlight"), nil, time.Second); err == nil {
			t.Errorf("%s is accepted", address)
		}
	}
	elsewhere := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	far := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer far.Close()
	hook, err := NewWebhook(far.URL, secret.New("moonlight"), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer hook.client.CloseIdleConnections()
	if err := hook.deliver(t.Context(), Notice{ID: "X", Result: Result{Collection: "connections", ID: "1"}}, "ixagent"); err == nil || elsewhere > 0 {
		t.Errorf("a redirect was followed: %v", err)
	}
	strict := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer strict.Close()
	strict.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if hook, err = NewWebhook(strict.URL, secret.New("moonlight"), nil, time.Second); err != nil {
		t.Fatal(err)
	}
	defer hook.client.CloseIdleConnections()
	if err := hook.deliver(t.Context(), Notice{ID: "X", Result: Result{Collection: "connections", ID: "1"}}, "ixagent"); err == nil || elsewhere > 0 {
		t.Errorf("a certificate that nobody vouches for is accepted: %v", err)
	}
}

func TestEndlessAnswerIsNotReadToItsEnd(t *testing.T) {
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	defer far.Close()
	hook, err := NewWebhook(far.URL, secret.Text{}, nil, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer hook.client.CloseIdleConnections()
	start := time.Now()
	if err := hook.deliver(t.Context(), Notice{ID: "X", Result: Result{Collection: "connections", ID: "1"}}, "ixagent"); err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
