package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
)

// maxNamed is how many named records are read one by one; of more, everything is read.
const maxNamed = 16

// picker is a feed of which single records can be read.
type picker interface {
	// record reads one record, as JSON.
	record(ctx context.Context, r Ref) ([]byte, error)
}

// reread says how a snapshot differs from the one it was made from.
type reread struct {
	from  string // its version
	delta compile.Delta
}

// Reread reads the named records alone and puts them into the latest snapshot. What it returns is as from
// [Source.Read].
//
// It never takes a record away: one that is not found, that cannot be read well, that no longer says what it is for,
// or that refers to something not known, is an error. So is everything else that must be seen in the light of whole
// lists. After an error nothing has changed, and everything should be read.
func (s *Source) Reread(ctx context.Context, named ...Ref) (snapshot *Snapshot, changed bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	status := s.Status()
	last := status.Snapshot
	pick, ok := s.feed.(picker)
	switch {
	case !ok:
		err = errors.New("its records cannot be read one by one")
	case last == nil:
		err = errors.New("its lists were not read yet")
	case status.Err != nil:
		err = errors.New("its lists were not accepted when they were read last")
	case len(named) > maxNamed:
		err = fmt.Errorf("%d records are named, and no more than %d are read one by one", len(named), maxNamed)
	}
	var texts [][]byte
	if err == nil {
		texts, err = pickAll(ctx, pick, named)
	}
	if err == nil {
		snapshot, err = s.splice(last, named, texts)
	}
	if err != nil {
		return nil, false, fmt.Errorf("source %s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Snapshot = snapshot
	return snapshot, snapshot != last, nil
}

func pickAll(ctx context.Context, pick picker, named []Ref) ([][]byte, error) {
	texts := make([][]byte, len(named))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLists)
	for i, r := range named {
		g.Go(func() (err error) {
			texts[i], err = pick.record(ctx, r)
			return err
		})
	}
	return texts, g.Wait()
}

// splice returns the snapshot in which the named records are as their texts say, or last if they are so in it.
func (s *Source) splice(last *Snapshot, named []Ref, texts [][]byte) (*Snapshot, error) {
	records := *last.Records
	delta := compile.Delta{Removed: make(map[ixapi.Collection][]ixapi.ID)}
	sum := sha256.New()
	sum.Write([]byte(last.Version))
	places := make(map[Ref]int)
	counted := false
	for i, r := range named {
		k, part, err := s.one(last, r, texts[i])
		if err != nil {
			return nil, err
		}
		p := k.splice(&records, part)
		switch {
		case p.same:
			continue
		case p.faded:
			return nil, fmt.Errorf("%s %q no longer says what it is for", r.Collection, r.ID)
		}
		counted = counted || p.counted
		places[r] = p.at
		k.extract(&delta.Changed, &records, p.at)
		fmt.Fprintf(sum, "\x00%s\x00%q\x00%x", r.Collection, r.ID, sha256.Sum256(texts[i]))
	}
	if len(places) == 0 {
		return last, nil
	}
	if err := s.settled(&records, &delta.Changed); err != nil {
		return nil, err
	}
	next := &Snapshot{
		Source:  s.name,
		Version: hex.EncodeToString(sum.Sum(nil)[:16]),
		Read:    time.Now(),
		Records: &records,
		Faults:  last.Faults,
		Counts:  maps.Clone(last.Counts),
		reread:  &reread{last.Version, delta},
	}
	for _, k := range kinds() {
		next.Counts[k.collection()] = k.count(&records)
	}
	if counted {
		if err := s.guard.check(next, last, nil); err != nil {
			return nil, err
		}
	}
	s.note(places, named, texts)
	return next, nil
}

// one decodes a record that was read alone. Something may be wrong with a record only if it stands in a list.
func (s *Source) one(last *Snapshot, r Ref, text []byte) (kind, *ixapi.Records, error) {
	at := slices.IndexFunc(kinds(), func(k kind) bool { return k.collection() == r.Collection })
	if at < 0 {
		return nil, nil, fmt.Errorf("%q is no list that is read", r.Collection)
	}
	k := kinds()[at]
	part, faults, err := ixapi.Decode(map[ixapi.Collection]ixapi.Raw{r.Collection: {slices.Concat([]byte{'['}, text, []byte{']'})}})
	if err != nil {
		return nil, nil, err
	}
	for _, f := range last.Faults {
		if f.Collection == r.Collection && f.ID == r.ID {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, nil, faults[0]
	}
	found := 0
	k.each(part, func(id ixapi.ID) {
		if found++; id != r.ID {
			found = -1
		}
	})
	if found != 1 {
		return nil, nil, fmt.Errorf("what was read as %s %q is something else", r.Collection, r.ID)
	}
	return k, part, nil
}

// settled returns an error if changed records refer to others that are not known, and were not missing before.
func (s *Source) settled(all, changed *ixapi.Records) (err error) {
	references(changed, func(to Ref) {
		if s.missing[to] {
			return
		}
		for _, k := range kinds() {
			if k.collection() == to.Collection && !k.lists(all, to.ID) {
				err = fmt.Errorf("%s %q is referred to and not known", to.Collection, to.ID)
			}
		}
	})
	return err
}

// note prepares the next read of the lists: those with new records are decoded again, as far as their texts differ.
func (s *Source) note(places map[Ref]int, named []Ref, texts [][]byte) {
	s.refused = nil
	for i, r := range named {
		at, ok := places[r]
		if !ok {
			continue
		}
		delete(s.digests, r.Collection)
		delete(s.missing, r)
		if m := s.memos[r.Collection]; m != nil {
			maps.DeleteFunc(m, func(_ uint64, place int) bool { return place == at })
			m[maphash.Bytes(s.seed, bytes.TrimSpace(texts[i]))] = at
		}
	}
}
