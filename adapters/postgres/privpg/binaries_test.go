package privpg

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]binaries{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": {version: "15.18", major: 15, minor: 18},
		"postgres (PostgreSQL) 17.5\n":                           {version: "17.5", major: 17, minor: 5},
		"postgres (PostgreSQL) 19beta2\n":                        {version: "19beta2", major: 19},
	} {
		got, err := parseVersion("", line)
		if err != nil || got != want {
			t.Errorf("parseVersion(%q) = %+v, %v; want %+v", line, got, err, want)
		}
	}
	if got, err := parseVersion("", "mysqld 8.0"); err == nil {
		t.Errorf("parseVersion of another program = %+v, want an error", got)
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	found := []binaries{{major: 14, minor: 20}, {major: 15, minor: 3}, {major: 17, minor: 1}, {major: 15, minor: 18}}
	for _, c := range []struct {
		major int
		want  binaries
		ok    bool
	}{
		{0, binaries{major: 17, minor: 1}, true},
		{15, binaries{major: 15, minor: 18}, true},
		{16, binaries{}, false},
		{14, binaries{}, false},
	} {
		got, ok := choose(found, c.major)
		if ok != c.ok || !cmp.Equal(got, c.want, cmp.AllowUnexported(binaries{})) {
			t.Errorf("choose(%d) = %+v, %v; want %+v, %v", c.major, got, ok, c.want, c.ok)
		}
	}
}

func TestBarrier(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	other := owner{uid: 54321, gid: 54321, drop: true}
	if got := other.barrier(deep); got != "" {
		t.Errorf("open path: barrier at %q", got)
	}
	if err := os.Chmod(filepath.Dir(deep), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := other.barrier(deep); got != filepath.Dir(deep) {
		t.Errorf("barrier at %q, want %q", got, filepath.Dir(deep))
	}
	self := owner{uid: os.Geteuid(), gid: os.Getegid(), drop: true}
	if got := self.barrier(deep); got != "" {
		t.Errorf("own path: barrier at %q", got)
	}
}

func TestOldClusterIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "postgres")
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("14\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "is of postgres 14; 15 or newer is needed") {
		t.Errorf("Start on a cluster of version 14: %v", err)
	}
}

func TestOpenToAll(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	program := filepath.Join(dir, "lib", "program")
	if err := os.Mkdir(filepath.Dir(program), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := openToAll(dir); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{program: 0o755, filepath.Dir(program): 0o755} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}
