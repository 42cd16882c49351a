package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ixagent/ixagent/models/ixapi"
)

// folder is a folder with a JSON file for each collection, named as its path: connections.json.
type folder struct {
	path  string
	limit int64 // bytes of one file
	log   *slog.Logger
}

// FileError is a file of records that cannot be used. Line and Column count from 1, Column in bytes; they are 0
// when the fault is not at a place within the file.
type FileError struct {
	Path         string
	Line, Column int
	Err          error
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.Path, e.Line, e.Column, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

func (f *folder) file(c ixapi.Collection) string { return filepath.Join(f.path, string(c)+".json") }

// lists reads all files. A file that is not the one it was when the reading began makes the lists unsettled.
func (f *folder) lists(ctx context.Context) (map[ixapi.Collection]body, error) {
	// The folder may be a link that is switched to another one: all files are read from the same.
	root, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return nil, &FileError{Path: f.path, Err: plain(err)}
	}
	lists := make(map[ixapi.Collection]body)
	before := make(map[ixapi.Collection]fs.FileInfo)
	for _, c := range ixapi.Collections() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		text, info, err := f.read(filepath.Join(root, string(c)+".json"))
		switch {
		case errors.Is(err, fs.ErrNotExist) && !decisive(c):
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil, &FileError{Path: f.file(c), Err: errors.New("the file is missing; a list without records is []")}
		case err != nil:
			return nil, &FileError{Path: f.file(c), Err: plain(err)}
		}
		lists[c], before[c] = newBody(ixapi.Raw{text}), info
	}
	for c, info := range before {
		after, err := os.Stat(filepath.Join(root, string(c)+".json"))
		if err != nil || !os.SameFile(info, after) || after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) {
			return nil, &FileError{Path: f.file(c), Err: ErrUnsettled}
		}
	}
	return lists, nil
}

// read returns the text of a file, and what the file was before it was read.
func (f *folder) read(name string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("not a regular file")
	}
	if info.Size() > f.limit {
		return nil, nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ixapi.ErrTooLarge, info.Size(), f.limit)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(file, text); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnsettled, err)
	}
	return text, info, nil
}

// plain leaves out the path, which the message has already.
func plain(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// fault names the files of lists that cannot be decoded.
func (f *folder) fault(err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var out []error
	for _, err := range all {
		var at *ixapi.ListError
		if errors.As(err, &at) {
			err = &FileError{Path: f.file(at.Collection), Line: at.Line, Column: at.Column, Err: at.Err}
		}
		out = append(out, err)
	}
	return errors.Join(out...)
}

const (
	// quiet is how long a folder must be left alone before it is read, and patience how long that is awaited.
	quiet    = 100 * time.Millisecond
	patience = 2 * time.Second
)

// watch tells of changes of the folder, and of another folder in its place.
func (f *folder) watch(ctx context.Context, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	path, err := filepath.Abs(f.path)
	if err != nil {
		return err
	}
	if err := w.Add(filepath.Dir(path)); err != nil {
		return err
	}
	if err := w.Add(path); err != nil {
		return err
	}
	changed() // what happened between the first read and now was not seen
	calm := time.NewTimer(0)
	calm.Stop()
	var since time.Time // first change that was not told; zero when all were
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Events:
			if !ok {
				return errors.New("watching ended")
			}
			if e.Name != path && filepath.Dir(e.Name) != path || e.Op == fsnotify.Chmod {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			calm.Reset(min(quiet, max(0, patience-time.Since(since))))
			if e.Name == path {
				// Another folder may have taken its place; until there is one, the parent tells.
				_ = w.Remove(path)
				_ = w.Add(path)
			}
		case err := <-w.Errors:
			f.log.Warn("changes of a folder may go unnoticed until the next poll", "err", err)
			calm.Reset(quiet)
		case <-calm.C:
			since = time.Time{}
			changed()
		}
	}
}

func (f *folder) close() {}
