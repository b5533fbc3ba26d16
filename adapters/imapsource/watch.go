package imapsource

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/imap2api/imap2api/commands"
)

// Abilities returns what the server can do for somebody who waits for changes.
func (c *Conn) Abilities() commands.Abilities {
	if c.sess == nil {
		return commands.Abilities{}
	}
	return commands.Abilities{Idle: c.sess.has("IDLE") && !c.sess.noIdle, ListStatus: c.sess.has("LIST-STATUS")}
}

// Idle waits until something moves in the mailbox examined last, until a value can be received from
// stop, or for a span, and reports whether something has moved since the EXAMINE. Without
// IDLE (RFC 2177) it only waits. It never connects anew: an error says that the connection is lost.
func (c *Conn) Idle(ctx context.Context, stop <-chan struct{}, span time.Duration) (moved bool, err error) {
	s := c.sess
	if s == nil || s.closed() || !c.examined || !s.opened {
		return false, sourceError(commands.CodeConnectFailed, fmt.Sprintf("The connection to %s was lost.", c.login.Host), net.ErrClosed)
	}
	err = c.watch(ctx, s, func() error {
		moved, err = s.idle(ctx, stop, span)
		return err
	})
	return moved, plain(err)
}
