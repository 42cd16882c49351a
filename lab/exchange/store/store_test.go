package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"
)

func open(tb interface {
	Helper()
	Fatal(...any)
}, path string,
) *Store {
	tb.Helper()
	s, err := Open(Options{Path: path, Index: map[string]bool{"name": true}})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// contents are all records, in their order.
func contents(s *Store, collections ...string) (out []string) {
	for _, c := range collections {
		for _, r := range s.Now().List(c) {
			out = append(out, c+" "+string(r.Raw))
			if s.Now().Get(c, r.ID) != r {
				out = append(out, "and is not found")
			}
		}
	}
	return out
}

func TestAStoreThatIsOpenedAgainIsTheSame(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		s, memory := open(t, path), open(t, "")
		for range rapid.IntRange(1, 5).Draw(t, "transactions") {
			steps := rapid.SliceOf(rapid.Custom(func(t *rapid.T) [3]string {
				return [3]string{
					rapid.SampledFrom([]string{"put", "put", "remove"}).Draw(t, "verb"), rapid.SampledFrom([]string{"a", "b"}).Draw(t, "collection"),
					rapid.StringMatching("[a-d]").Draw(t, "id"),
				}
			})).Draw(t, "steps")
			for _, s := range []*Store{s, memory} {
				err := s.Update(func(tx *Tx) error {
					for i, step := range steps {
						if step[0] == "remove" {
							tx.Remove(step[1], step[2])
						} else if _, err := tx.Put(step[1], map[string]any{"id": step[2], "name": i}); err != nil {
							return err
						}
					}
					tx.PutBlob("blob", []byte(fmt.Sprint(steps)))
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		defer s.Close()
		got, want := contents(s, "a", "b"), contents(memory, "a", "b")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || string(s.Blob("blob")) != string(memory.Blob("blob")) {
			t.Fatalf("opened again it has\n%q, not\n%q", got, want)
		}
	})
}

func TestSnapshotsDoNotChange(t *testing.T) {
	s := open(t, "")
	put := func(id, name string) {
		t.Helper()
		err := s.Update(func(tx *Tx) error {
			_, err := tx.Put("things", map[string]string{"id": id, "name": name})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("a", "one")
	before := s.Now()
	put("a", "two")
	put("b", "three")
	if err := s.Update(func(tx *Tx) error { tx.Remove("things", "a"); return nil }); err != nil {
		t.Fatal(err)
	}
	if n, _ := before.Get("things", "a").Text("name"); n != "one" || len(before.List("things")) != 1 {
		t.Errorf("the snapshot changed: %q, %d", n, len(before.List("things")))
	}
	if s.Before(3) != before {
		t.Error("three writes ago is another snapshot")
	}
}

func TestWhatFailsLeavesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store"))
	defer s.Close()
	fault := errors.New("no")
	err := s.Update(func(tx *Tx) error {
		tx.Next("n")
		tx.PutBlob("b", []byte("x"))
		if _, err := tx.Put("things", map[string]string{"id": "a"}); err != nil {
			t.Error(err)
		}
		if tx.Get("things", "a") == nil {
			t.Error("a transaction does not see what it did")
		}
		return fault
	})
	if !errors.Is(err, fault) || s.Now().Get("things", "a") != nil || s.Blob("b") != nil || !s.Empty() {
		t.Errorf("%v, and something is there", err)
	}
}

func TestNoNumberIsGivenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	seen := map[uint64]bool{}
	for range 2 {
		s := open(t, path)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 20 {
					var n uint64
					if err := s.Update(func(tx *Tx) error { n = tx.Next("n"); return nil }); err != nil {
						t.Error(err)
					}
					mu.Lock()
					if seen[n] {
						t.Errorf("%d is given twice", n)
					}
					seen[n] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSeedNamesWhatIsWrong(t *testing.T) {
	data := fstest.MapFS{
		"a.json":    {Data: []byte("[{\"id\":\"1\"}]")},
		"b.json":    {Data: []byte("[\n{\"id\":1}]")},
		"what.json": {Data: []byte("[]")},
	}
	_, err := Seed(data, func(c string) bool { return c == "a" || c == "b" })
	if !errors.Is(err, ErrNoCollection) || !strings.Contains(err.Error(), "b.json: line 2") {
		t.Errorf("%v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	for _, where := range []string{"memory", "disk"} {
		b.Run(where, func(b *testing.B) {
			path := ""
			if where == "disk" {
				path = filepath.Join(b.TempDir(), "store")
			}
			s := open(b, path)
			defer s.Close()
			err := s.Update(func(tx *Tx) error {
				for i := range 10_000 {
					if _, err := tx.Put("things", map[string]string{"id": fmt.Sprint("before-", i), "name": "x"}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				err := s.Update(func(tx *Tx) error {
					_, err := tx.Put("things", json.RawMessage(fmt.Sprintf(`{"id":"%d","name":"y"}`, i)))
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestARecordWithOtherValuesIsFoundByThem(t *testing.T) {
	s := open(t, "")
	const text = `{"id":"1","name":"new","note":"n"}`
	if err := s.Update(func(tx *Tx) error { _, err := tx.Put("things", json.RawMessage(text)); return err }); err != nil {
		t.Fatal(err)
	}
	was := s.Now().Get("things", "1")
	for _, c := range []struct {
		name json.RawMessage
		want string
	}{{json.RawMessage(`"old"`), `{"id":"1","name":"old"} old true`}, {nil, `{"id":"1"}  false`}, {json.RawMessage("null"), `{"id":"1","name":null}  false`}} {
		with, err := was.With(map[string]json.RawMessage{"name": c.name, "note": nil, "other": json.RawMessage("1")})
		if err != nil {
			t.Fatal(err)
		}
		name, there := with.Text("name")
		if got := fmt.Sprintf("%s %s %v", with.Raw, name, there); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if name, _ := was.Text("name"); name != "new" || string(was.Raw) != text {
		t.Errorf("the record itself was changed: %s", was.Raw)
	}
}

func TestOtherValuesLeaveTheRestOfARecordAsItIs(t *testing.T) {
	s := open(t, "")
	texts := rapid.SampledFrom([]string{`"a\"b{[,:"`, `"\\"`, `{"x":[1,{"y":"}"}],"z":","}`, `[]`, `{}`, `[[","],"]"]`, `-1.5e3`, `null`, `true`})
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOf(rapid.StringMatching(`[a-e"\\]{1,2}`), texts).Draw(t, "fields")
		record, values := map[string]json.RawMessage{"id": json.RawMessage(`"1"`)}, map[string]json.RawMessage{}
		for name, text := range fields {
			record[name] = json.RawMessage(text)
			if rapid.Bool().Draw(t, "given") {
				values[name] = nil
				if rapid.Bool().Draw(t, "other") {
					values[name] = json.RawMessage(texts.Draw(t, "value"))
				}
			}
		}
		r, err := s.Parse("things", record)
		if err != nil {
			t.Fatal(err)
		}
		with, err := r.With(values)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range values {
			if record[name] = value; value == nil {
				delete(record, name)
			}
		}
		want, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if string(with.Raw) != string(want) {
			t.Fatalf("%s, want %s", with.Raw, want)
		}
	})
}

func TestWhereFindsWhatALookThroughAllFinds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, err := Open(Options{Index: map[string]bool{"on": true}})
		if err != nil {
			rt.Fatal(err)
		}
		scan := func(list []*Record, value string) (ids []string) {
			for _, r := range list {
				if strings.Contains(string(r.Raw), value) {
					ids = append(ids, r.ID)
				}
			}
			slices.Sort(ids)
			return ids
		}
		compare := func(all, found []*Record, value string) {
			var got []string
			for _, r := range found {
				got = append(got, r.ID)
			}
			slices.Sort(got)
			if want := scan(all, value); !slices.Equal(got, want) {
				rt.Fatalf("where on is %s: %v, want %v", value, got, want)
			}
		}
		values := rapid.SampledFrom([]any{"a", "b", 1, nil, []string{"a"}, []string{"b", "a"}})
		for range rapid.IntRange(1, 20).Draw(rt, "transactions") {
			fails := rapid.Bool().Draw(rt, "fails")
			_ = s.Update(func(tx *Tx) error {
				for range rapid.IntRange(1, 5).Draw(rt, "changes") {
					id := rapid.StringMatching("[x-z]").Draw(rt, "id")
					if rapid.IntRange(0, 3).Draw(rt, "remove") == 0 {
						tx.Remove("c", id)
					} else if _, err := tx.Put("c", map[string]any{"id": id, "on": values.Draw(rt, "on")}); err != nil {
						rt.Fatal(err)
					}
					for _, v := range []string{"a", "b", "1"} {
						compare(tx.List("c"), tx.Where("c", "on", v), v)
					}
				}
				if fails {
					return errors.New("no")
				}
				return nil
			})
			for _, v := range []string{"a", "b", "1"} {
				compare(s.Now().List("c"), s.Where("c", "on", v), v)
			}
		}
	})
}
