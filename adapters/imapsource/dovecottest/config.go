package dovecottest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/template"
)

// An account is the user whose the mail is and, unless the test is root's,
// whom all of Dovecot runs as.
type account struct {
	user, group string
	uid, gid    int
	root        bool
}

// mailOwner is nobody for root, since Dovecot serves no mail of root's.
func mailOwner() (account, error) {
	me, err := user.Current()
	root := os.Geteuid() == 0
	if root {
		me, err = user.Lookup("nobody")
	}
	if err != nil {
		return account{}, fmt.Errorf("find owner of the mail: %w", err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return account{}, fmt.Errorf("find group of %s: %w", me.Username, err)
	}
	uid, errUID := strconv.Atoi(me.Uid)
	gid, errGID := strconv.Atoi(me.Gid)
	if err := errors.Join(errUID, errGID); err != nil {
		return account{}, err
	}
	return account{user: me.Username, group: group.Name, uid: uid, gid: gid, root: root}, nil
}

func (a account) give(path string) error {
	if !a.root {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

var configTemplate = template.Must(template.New("dovecot.conf").Parse(`
base_dir = {{.Dir}}/base
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/dovecot.log
instance_name = imap2api-{{.Port}}
listen = {{.Plain}}, {{.TLS}}, {{.SelfSigned}}
protocols = imap
ssl = yes
ssl_cert = <{{.Certs.Cert}}
ssl_key = <{{.Certs.Key}}
local {{.Plain}} {
  ssl = no
}
local {{.SelfSigned}} {
  ssl_cert = <{{.Certs.SelfCert}}
  ssl_key = <{{.Certs.SelfKey}}
}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{{.Dir}}/mail/%u:UTF-8
mail_max_userip_connections = 50
maildir_stat_dirs = yes
mailbox_idle_check_interval = 1 secs
passdb {
  driver = passwd-file
  args = scheme=plain username_format=%u {{.Dir}}/users
}
userdb {
  driver = static
  args = uid={{.UID}} gid={{.GID}} home={{.Dir}}/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
{{range .Special}}  mailbox {{.}} {
    special_use = \{{.}}
    auto = create
  }
{{end}}}
service imap-login {
  inet_listener imap {
    port = {{.Port}}
  }
  inet_listener imaps {
    port = {{.TLSPort}}
    ssl = yes
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
{{if not .Root}}default_internal_user = {{.User}}
default_internal_group = {{.Group}}
default_login_user = {{.User}}
service anvil {
  chroot =
}
service imap-login {
  chroot =
}
service stats {
  chroot =
}
{{end}}{{range .Settings}}{{.}}
{{end}}`))

func (s *Server) config() string { return filepath.Join(s.dir, "dovecot.conf") }

// writeConfig writes dovecot.conf and the list of users.
func (s *Server) writeConfig(t testing.TB, certs certificates, settings []string) {
	t.Helper()
	var list, config strings.Builder
	for n := range users {
		_, _ = fmt.Fprintf(&list, "%s:{PLAIN}%s::::::\n", userName(n), password(n))
	}
	err := configTemplate.Execute(&config, map[string]any{
		"Dir": s.dir, "Port": s.Port, "TLSPort": s.TLSPort,
		"Plain": plainHost, "TLS": tlsHost, "SelfSigned": selfSignedHost,
		"Certs": certs, "Special": []string{"Sent", "Trash", "Junk", "Drafts"},
		"Root": s.owner.root, "User": s.owner.user, "Group": s.owner.group, "UID": s.owner.uid, "GID": s.owner.gid,
		"Settings": settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{s.config(): config.String(), filepath.Join(s.dir, "users"): list.String()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { // throw-away passwords on loopback
			t.Fatal(err)
		}
	}
}

func userName(n int) string { return "u" + strconv.Itoa(n+1) + "@example.org" }

func password(n int) string { return "secret-" + strconv.Itoa(n+1) }
