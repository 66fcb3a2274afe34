// Go's own transparency-log code (golang.org/x/mod/sumdb, as Debian packages it) reads a log that we serve: the checkpoint by sumdb/note,
// tiles, inclusion and consistency by sumdb/tlog. Nothing of this repository takes part.
//
//	go run main.go -prefix URL -vkey KEY -ca FILE -cert FILE -key FILE
//
// Prints "ok NAME" or "not ok NAME: why"; exit 1 when any failed. GO111MODULE=off GOPATH=/usr/share/gocode.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

type log struct {
	client   *http.Client
	prefix   string
	verifier note.Verifier
	// By path, as served: tlog verifies them each time.
	tiles map[string][]byte
	// Flips a bit of each tile when set: then nothing may verify.
	spoil bool
}

func (l *log) get(path string) ([]byte, error) {
	response, err := l.client.Get(l.prefix + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, response.Status)
	}
	return body, err
}

// open is the signed tree of a checkpoint.
func (l *log) open(checkpoint []byte) (tlog.Tree, error) {
	opened, err := note.Open(checkpoint, note.VerifierList(l.verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != l.verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is of %s", origin)
	}
	// The checkpoint format grew out of this one; only the first line differs.
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

// Height, ReadTiles and SaveTiles make it a tlog.TileReader.
func (l *log) Height() int { return tileHeight }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		// "tile/8/<L>/<N>": tlog-tiles leaves the height out.
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
		data, known := l.tiles[path]
		if !known {
			var err error
			if data, err = l.get(path); err != nil {
				return nil, err
			}
			l.tiles[path] = data
		}
		data = append([]byte(nil), data...)
		if l.spoil {
			data[0] ^= 1
		}
		read = append(read, data)
	}
	return read, nil
}

func (l *log) SaveTiles([]tlog.Tile, [][]byte) {}

// records calls visit with each entry of the tree.
func (l *log) records(size int64, visit func(n int64, record []byte) error) error {
	for first := int64(0); first < size; first += 1 << tileHeight {
		tile := tlog.Tile{H: tileHeight, L: -1, N: first >> tileHeight, W: 1 << tileHeight}
		if size-first < int64(tile.W) {
			tile.W = int(size - first)
		}
		bundle, err := l.get(strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/data/", tileHeight), "tile/entries/", 1))
		for n := first; err == nil && n < first+int64(tile.W); n++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return fmt.Errorf("the bundle ends before entry %d", n)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			err = visit(n, bundle[2:end])
			bundle = bundle[end:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *log) checkInclusion(tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, l)
	return l.records(tree.N, func(n int64, record []byte) error {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(proof, tree.N, tree.Hash, n, tlog.RecordHash(record))
	})
}

// checkConsistency compares the tree with every size before it, and with one that the log signed earlier: a receipt carries it.
func (l *log) checkConsistency(tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, l)
	receipt, err := l.get("receipt/0")
	if err != nil {
		return err
	}
	_, checkpoint, _ := bytes.Cut(receipt, []byte("\n\n"))
	signed, err := l.open(checkpoint)
	if err != nil {
		return err
	}
	if signed.N >= tree.N {
		return fmt.Errorf("the first receipt is of size %d, the checkpoint of %d: nothing to compare", signed.N, tree.N)
	}
	for size := int64(1); size <= tree.N; size++ {
		old, err := tlog.TreeHash(size, reader)
		if err != nil {
			return err
		}
		if size == signed.N {
			old = signed.Hash
		}
		proof, err := tlog.ProveTree(tree.N, size, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, size, old); err != nil {
			return err
		}
	}
	return nil
}

// checkSpoilt fails when a changed checkpoint or tile is believed.
func (l *log) checkSpoilt(checkpoint []byte, tree tlog.Tree) error {
	for i := range checkpoint[:bytes.Index(checkpoint, []byte("\n\n"))] {
		changed := append([]byte(nil), checkpoint...)
		changed[i] ^= 1
		if _, err := l.open(changed); err == nil {
			return fmt.Errorf("a checkpoint with byte %d changed is believed", i)
		}
	}
	spoilt := *l
	spoilt.spoil = true
	if err := spoilt.checkInclusion(tree); err == nil {
		return errors.New("changed tiles are believed")
	}
	return nil
}

func run() error {
	prefix := flag.String("prefix", "", "URL of the log's tiles")
	vkey := flag.String("vkey", "", "the log's verifier key")
	ca := flag.String("ca", "", "CA of the server, PEM")
	cert := flag.String("cert", "", "certificate of an admitted reader, PEM")
	key := flag.String("key", "", "its key, PEM")
	flag.Parse()
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(*ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	verifier, err := note.NewVerifier(*vkey)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}
	l := &log{client: &http.Client{Transport: transport}, prefix: *prefix, verifier: verifier, tiles: map[string][]byte{}}

	checkpoint, err := l.get("checkpoint")
	if err != nil {
		return err
	}
	tree, err := l.open(checkpoint)
	failed := report("CheckpointOpensByNote", err)
	if err == nil {
		failed = report("EveryEntryIsIncluded", l.checkInclusion(tree)) || failed
		failed = report("EverySizeIsConsistent", l.checkConsistency(tree)) || failed
		failed = report("ChangedBytesAreRefused", l.checkSpoilt(checkpoint, tree)) || failed
	}
	if failed {
		os.Exit(1)
	}
	return nil
}

func report(name string, err error) (failed bool) {
	if err != nil {
		fmt.Printf("not ok Sumdb.%s: %v\n", name, err)
		return true
	}
	fmt.Printf("ok Sumdb.%s\n", name)
	return false
}

func main() {
	if err := run(); err != nil {
		fmt.Printf("not ok Sumdb.ReadsTheLog: %v\n", err)
		os.Exit(1)
	}
}
