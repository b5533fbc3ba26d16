package adminui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/klauspost/compress/gzip"
)

//go:embed static
var staticFiles embed.FS

// asset is a file that never changes under its address.
type asset struct {
	kind          string
	octets, small []byte // small by gzip
}

// assets are the files of the pages by their names with a hash.
type assets struct {
	byName map[string]asset
	names  map[string]string // with the hash, by the name without
}

func loadAssets() assets {
	a := assets{map[string]asset{}, map[string]string{}}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil { // they are embedded
		panic(err)
	}
	for _, e := range entries {
		octets, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(octets)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:5]) + ext
		a.byName[name] = asset{mime.TypeByExtension(ext), octets, gzipped(octets)}
		a.names[e.Name()] = name
	}
	return a
}

func gzipped(octets []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a constant
	_, _ = w.Write(octets)                                // a Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byName[chi.URLParam(r, "name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	octets := file.octets
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		octets = file.small
	}
	_, _ = w.Write(octets) // the client has gone
}
