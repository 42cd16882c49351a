package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"os"
)

// What a page of bbolt's file holds.
const (
	pageBranch   = 1
	pageLeaf     = 2
	pageFreelist = 16

	pageHeader    = 16 // bytes, as of an element of a branch or leaf, and of what stands before a bucket's pages
	leafIsBucket  = 1
	freelistIsBig = 0xFFFF // the count is not in the header but before the list

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSummed  = 56 // bytes before the checksum
	maxDepth    = 64 // of pages below pages; a file of 2^64 pages needs no more
)

// layout is a bbolt file, page by page. bbolt trusts its file: a page that leads back to itself is followed until the
// process ends, which nothing can recover from. In a file that passes [walk] every page leads only to pages of the
// file, and each of them is used once.
type layout struct {
	r        io.ReaderAt
	pageSize int64
	pages    uint64 // that belong to the file
	root     uint64
	freelist uint64
	free     uint64 // of the pages
	seen     []bool
}

// unused returns how many bytes of a file of such a size hold nothing.
func (l *layout) unused(size int64) int64 { return size - int64(l.pages-l.free)*l.pageSize }

// walk follows the pages of a file from its root, and returns its layout.
func walk(f *os.File) (*layout, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	l, err := follow(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return l, nil
}

func follow(r io.ReaderAt, size int64) (*layout, error) {
	l := &layout{r: r}
	if err := l.open(size); err != nil {
		return nil, err
	}
	l.seen = make([]bool, l.pages)
	l.seen[0], l.seen[1] = true, true
	if err := l.readFreelist(); err != nil {
		return nil, err
	}
	return l, l.tree(l.root, 0)
}

// open finds the size of the pages as bbolt does, and the page that says where everything is.
func (l *layout) open(size int64) error {
	first, ok := l.meta(0)
	for at := int64(1 << 10); !ok && at <= 1<<24; at <<= 1 {
		first, ok = l.meta(at)
	}
	if !ok {
		return errors.New("neither of its first pages is valid")
	}
	l.pageSize = int64(binary.NativeEndian.Uint32(first[8:]))
	if l.pageSize < 1<<10 || l.pageSize > 1<<24 || bits.OnesCount64(uint64(l.pageSize)) != 1 {
		return fmt.Errorf("its pages have %d bytes", l.pageSize)
	}
	var last []byte
	for _, at := range []int64{0, l.pageSize} {
		m, ok := l.meta(at)
		if ok && (last == nil || binary.NativeEndian.Uint64(m[48:]) > binary.NativeEndian.Uint64(last[48:])) {
			last = m
		}
	}
	if last == nil || binary.NativeEndian.Uint32(last[8:]) != uint32(l.pageSize) {
		return errors.New("its first pages do not agree")
	}
	l.root, l.freelist, l.pages = binary.NativeEndian.Uint64(last[16:]), binary.NativeEndian.Uint64(last[32:]), binary.NativeEndian.Uint64(last[40:])
	if has := uint64(size / l.pageSize); l.pages < 4 || l.pages > has {
		return fmt.Errorf("it has %d pages, %d belong to it", has, l.pages)
	}
	return nil
}

// meta returns the valid description of the file in the page that begins there.
func (l *layout) meta(at int64) ([]byte, bool) {
	m := make([]byte, metaSummed+8)
	if _, err := l.r.ReadAt(m, at+pageHeader); err != nil {
		return nil, false
	}
	sum := fnv.New64a()
	sum.Write(m[:metaSummed])
	return m, binary.NativeEndian.Uint32(m) == metaMagic && binary.NativeEndian.Uint32(m[4:]) == metaVersion &&
		binary.NativeEndian.Uint64(m[metaSummed:]) == sum.Sum64()
}

// page reads a page with those that continue it, which nothing else may use.
func (l *layout) page(id uint64) (text []byte, flags uint16, count int, err error) {
	if id >= l.pages {
		return nil, 0, 0, fmt.Errorf("page %d is beyond its end", id)
	}
	header := make([]byte, pageHeader)
	if _, err := l.r.ReadAt(header, int64(id)*l.pageSize); err != nil {
		return nil, 0, 0, err
	}
	n := uint64(binary.NativeEndian.Uint32(header[12:])) + 1
	if self := binary.NativeEndian.Uint64(header); self != id || n > l.pages-id {
		return nil, 0, 0, fmt.Errorf("page %d says that it is %d, of %d pages", id, self, n)
	}
	for i := id; i < id+n; i++ {
		if l.seen[i] {
			return nil, 0, 0, fmt.Errorf("page %d is used twice", i)
		}
		l.seen[i] = true
	}
	text = make([]byte, int64(n)*l.pageSize)
	if _, err := l.r.ReadAt(text, int64(id)*l.pageSize); err != nil {
		return nil, 0, 0, err
	}
	return text, binary.NativeEndian.Uint16(header[8:]), int(binary.NativeEndian.Uint16(header[10:])), nil
}

func (l *layout) readFreelist() error {
	text, flags, count, err := l.page(l.freelist)
	if err != nil {
		return err
	}
	ids, n := text[pageHeader:], uint64(count)
	if count == freelistIsBig {
		n, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if flags != pageFreelist || n > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", l.freelist)
	}
	for i := range n {
		id := binary.NativeEndian.Uint64(ids[8*i:])
		if id >= l.pages || l.seen[id] {
			return fmt.Errorf("page %d cannot be free", id)
		}
		l.seen[id] = true
	}
	l.free = n
	return nil
}

// tree follows a branch or leaf.
func (l *layout) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("page %d is %d pages below its root", id, depth)
	}
	text, flags, count, err := l.page(id)
	if err != nil {
		return err
	}
	switch {
	case flags == pageLeaf:
		return l.leaf(text, count, func(bucket []byte) error { return l.bucket(bucket, depth+1) })
	case flags != pageBranch || count == 0:
		return fmt.Errorf("page %d is no part of a tree", id)
	}
	for i := range count {
		at := pageHeader * (i + 1)
		if at+pageHeader > len(text) {
			return fmt.Errorf("page %d has more branches than room", id)
		}
		key := uint64(binary.NativeEndian.Uint32(text[at:])) + uint64(binary.NativeEndian.Uint32(text[at+4:]))
		if uint64(at)+key > uint64(len(text)) {
			return fmt.Errorf("page %d has a key beyond its end", id)
		}
		if err := l.tree(binary.NativeEndian.Uint64(text[at+8:]), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf looks at each element of a leaf.
func (l *layout) leaf(text []byte, count int, bucket func([]byte) error) error {
	for i := range count {
		at := pageHeader * (i + 1)
		if at+pageHeader > len(text) {
			return errors.New("a page has more entries than room")
		}
		begin := uint64(at) + uint64(binary.NativeEndian.Uint32(text[at+4:])) + uint64(binary.NativeEndian.Uint32(text[at+8:]))
		end := begin + uint64(binary.NativeEndian.Uint32(text[at+12:]))
		if end > uint64(len(text)) {
			return errors.New("a page has an entry beyond its end")
		}
		if binary.NativeEndian.Uint32(text[at:])&leafIsBucket != 0 {
			if err := bucket(text[begin:end]); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket follows the pages of a bucket, or the one inside it.
func (l *layout) bucket(value []byte, depth int) error {
	if len(value) < pageHeader {
		return errors.New("a bucket is cut short")
	}
	root := binary.NativeEndian.Uint64(value)
	if root != 0 {
		return l.tree(root, depth)
	}
	inside := value[pageHeader:]
	if len(inside) < pageHeader || binary.NativeEndian.Uint16(inside[8:]) != pageLeaf {
		return errors.New("a bucket holds no page")
	}
	return l.leaf(inside, int(binary.NativeEndian.Uint16(inside[10:])), func([]byte) error {
		return errors.New("a bucket is inside one that holds none")
	})
}
