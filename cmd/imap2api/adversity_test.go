package main

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/imap2api/imap2api/adapters/imapsource/cyrustest"
	"github.com/imap2api/imap2api/adapters/imapsource/dovecottest"
)

// TestAdversity does random things to mail and folders while a proxy cuts, stalls, delays and corrupts the connections
// of the program, which is killed now and then. Then the faults stop, and the API must show what the mail server
// shows: nothing lost, nothing twice, every id still of the message that it was of, all of it covered. What was moved may have
// another id, since a fault may hide where it went from one sync and the next.
// IMAP2API_TEST_OPERATIONS is how many things are done; IMAP2API_TEST_SEED repeats what chance did to the mail.
func TestAdversity(t *testing.T) {
	t.Parallel()
	dovecot := dovecottest.Start(t, dovecottest.Options{})
	adversity(t, dovecot.PlainAddr(), dovecot.NewUser(t), dovecot, number(t, "OPERATIONS", 60))
}

// TestAdversityOnCyrus is the same on a Cyrus, whose answers have other forms.
func TestAdversityOnCyrus(t *testing.T) {
	t.Parallel()
	cyrus := cyrustest.Start(t)
	adversity(t, cyrus.Addr(), cyrus.NewUser("ann"), nil, number(t, "OPERATIONS", 25))
}

func adversity(t *testing.T, addr string, user *dovecottest.User, dovecot *dovecottest.Server, operations int) {
	t.Helper()
	seed := uint64(number(t, "SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("IMAP2API_TEST_SEED=%d IMAP2API_TEST_OPERATIONS=%d", seed, operations)
	k := newKill(t, seed, user, "IMAP2API_WATCH_ROUND=1s", "IMAP2API_SYNC_STALL_AFTER=8s")
	if k.dovecot = dovecot; dovecot != nil {
		k.hard(seed)
	}
	p := newProxy(t, addr, seed)
	p.set(func() { p.faults = true })
	k.begin(p.port, map[string]any{"sync_interval": 10000})
	k.world.hidden, k.world.leaves = true, dovecot == nil
	for n := range operations {
		k.suffer()
		if n%200 == 20 {
			k.world.did("kill program")
			k.program.kill()
			k.start()
		}
		if t.Failed() {
			return
		}
	}
	p.set(func() {
		p.faults = false
		t.Logf("faults: %v", p.hurt)
	})
	k.calm()
	k.check()
}

// suffer does one thing to mail, a folder or a subscription, and sometimes wants a sync or looks.
func (k *kill) suffer() {
	k.t.Helper()
	w := k.world
	switch kind := w.rng.IntN(12); {
	case kind < 2:
		w.changeFolders()
	case kind == 2:
		w.subscribe()
	case kind == 3 && k.dovecot != nil:
		w.renumber()
	default:
		w.change()
	}
	switch k.world.rng.IntN(10) {
	case 0, 1, 2, 3:
		k.until("a sync is asked for", func() error {
			return k.api.call(http.StatusAccepted, "POST", fmt.Sprintf("/api/imap-servers/%d/sync/?wait=false", k.server), nil, nil)
		})
	case 4:
		<-time.After(time.Duration(k.world.rng.IntN(1000)) * time.Millisecond)
	case 5:
		k.until("mail can be read", func() error { return k.api.look(k.seen) })
	}
}

// calm waits, when the faults have stopped, for a check that nothing is wrong with.
func (k *kill) calm() {
	k.t.Helper()
	coverage := fmt.Sprintf("/api/imap-servers/%d/coverage/", k.server)
	k.until("the mail server is covered", func() error {
		if err := k.api.call(http.StatusAccepted, "POST", coverage+"check/", nil, nil); err != nil {
			return err
		}
		k.until("its run ends", func() error {
			run, err := k.api.lastRun(k.server)
			if err == nil && (run.Status == "running" || run.Status == "queued") {
				err = fmt.Errorf("sync %d is %s", run.ID, run.Status)
			}
			return err
		})
		var now struct {
			Status               string
			Missing, Quarantined int
			Exceptions           []map[string]any
		}
		err := k.api.call(http.StatusOK, "GET", coverage, nil, &now)
		run, failed := k.api.lastRun(k.server)
		if err = errors.Join(err, failed); err != nil {
			return err
		}
		if now.Missing > 0 && run.Status == "success" {
			k.t.Errorf("messages are missing: %+v", now)
		}
		if run.Status != "success" || now.Status != "complete" || now.Quarantined > 0 {
			err = fmt.Errorf("run %s %s, coverage %+v", run.Status, run.Error, now)
		}
		return err
	})
}
