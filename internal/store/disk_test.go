package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
)

const diskEnv = "LANYARD_STORE_DISK"

// TestFullDisk runs this test again in a mount namespace of its own, where a small disk can be
// mounted that goes away with the process. That takes root, or a kernel that lets users do it.
func TestFullDisk(t *testing.T) {
	if os.Getenv(diskEnv) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), diskEnv+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		if os.Getuid() != 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFullDisk") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	w := open(t, "sqlite")
	check(t, w.Close())
	disk := t.TempDir()
	check(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=44m"))
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	w.config.Path = filepath.Join(disk, "lanyard.db")
	w = fill(t, w)

	// Now there is no room to issue, and none to end anything, without the ballast.
	ballast := filepath.Join(disk, "ballast")
	if _, err := os.Stat(ballast); err != nil {
		t.Fatalf("the ballast is off already: %v", err)
	}
	check(t, w.Close())
	stuff(t, disk)
	w.Store = another(t, w.config) // a server that is restarted on a full disk comes up
	live, err := w.ListCredentials(t.Context(), credential.Filter{})
	check(t, err)
	for i, c := range live {
		live[i] = c.End(start, credential.Deleted)
	}
	_, err = w.SaveCredentials(t.Context(), live, changed)
	check(t, err)
	if _, err := os.Stat(ballast); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the revocations went through with the ballast on board: %v", err)
	}
	_, err = w.InsertCredential(t.Context(), key(99999), secretOf(1), did("s3key.create", "crd_99999"))
	refused(t, err, fault.Unavailable)
	s, err := w.Snapshot(t.Context())
	check(t, err)
	for _, h := range s.Credentials {
		if h.Status != credential.Ending || h.State != nil {
			t.Errorf("%s is %s", h.ID, h.Status)
		}
	}
	w.verified(t)

	// Room again: the next tidying takes the ballast back, and work goes on.
	check(t, os.Remove(filepath.Join(disk, "filler")))
	w.Tidy()
	if info, err := os.Stat(ballast); err != nil || info.Size() != 16<<20 {
		t.Errorf("no ballast: %v", err)
	}
	w.insert(t, 99999)
	check(t, w.Close())

	// Even without the files that SQLite needs while it runs.
	stuff(t, disk)
	if files, err := filepath.Glob(w.config.Path + "-*"); err != nil || len(files) != 0 {
		t.Fatalf("left by a stopped server: %v, %v", files, err)
	}
	w.Store = another(t, w.config)
	w.verified(t)
	_, err = w.SaveCredentials(t.Context(), []credential.Credential{w.get(t, "crd_99999").End(start, credential.Deleted)}, changed)
	check(t, err)
}

// stuff writes a file until not a byte more goes in.
func stuff(t *testing.T, dir string) {
	t.Helper()
	filler, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(t, err)
	defer filler.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = filler.Write(make([]byte, size))
		}
	}
}

// fill reopens w on the disk that its path names, and writes until no more goes in.
func fill(t *testing.T, w *world) *world {
	t.Helper()
	w.Store = another(t, w.config)
	populate(t, w)
	for n := range 300 {
		w.insert(t, n)
	}
	stuff(t, filepath.Dir(w.config.Path))
	for n := 300; ; n++ {
		c := key(n)
		_, err := w.InsertCredential(t.Context(), c, secretOf(n), did("s3key.create", c.ID))
		if err != nil {
			if f := fault.Public(err); f.Code != fault.Unavailable || !strings.Contains(f.Message, "disk is full") {
				t.Fatal(err)
			}
			return w
		}
	}
}
