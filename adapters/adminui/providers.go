package adminui

import (
	"strings"

	"github.com/imap2api/imap2api/commands"
)

// provider is a mail provider and the servers of its customers.
type provider struct {
	name    string
	host    string
	domains []string
	advice  string // what the ordinary password is not enough for
}

// Settings of large providers, as their own help pages give them; all on port 993 by TLS.
var providers = []provider{
	{"Gmail", "imap.gmail.com", []string{"gmail.com", "googlemail.com"}, "Gmail wants an app password: Google account, Security, App passwords."},
	{"Outlook", "outlook.office365.com", []string{"outlook.com", "hotmail.com", "live.com", "msn.com"}, "Microsoft accepts passwords no more: sign in with Microsoft instead."},
	{"iCloud", "imap.mail.me.com", []string{"icloud.com", "me.com", "mac.com"}, "iCloud wants an app-specific password, made at account.apple.com."},
	{"Yahoo", "imap.mail.yahoo.com", []string{"yahoo.com", "yahoo.de", "yahoo.fr", "yahoo.co.uk", "ymail.com", "rocketmail.com"}, "Yahoo wants an app password: Account security."},
	{"AOL", "imap.aol.com", []string{"aol.com"}, "AOL wants an app password: Account security."},
	{"Fastmail", "imap.fastmail.com", []string{"fastmail.com", "fastmail.fm"}, "Fastmail wants an app password: Settings, Privacy and security."},
	{"GMX", "imap.gmx.net", []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch"}, "GMX lets IMAP in only when it is switched on: E-Mail, Settings, POP3/IMAP."},
	{"WEB.DE", "imap.web.de", []string{"web.de"}, "WEB.DE lets IMAP in only when it is switched on: E-Mail, Settings, POP3/IMAP."},
	{"T-Online", "secureimap.t-online.de", []string{"t-online.de", "magenta.de"}, "T-Online has a password of its own for mail programs."},
	{"mailbox.org", "imap.mailbox.org", []string{"mailbox.org"}, ""},
	{"Posteo", "posteo.de", []string{"posteo.de", "posteo.net", "posteo.eu"}, ""},
	{"freenet", "mx.freenet.de", []string{"freenet.de"}, ""},
	{"Orange", "imap.orange.fr", []string{"orange.fr", "wanadoo.fr"}, ""},
	{"Free", "imap.free.fr", []string{"free.fr"}, ""},
	{"La Poste", "imap.laposte.net", []string{"laposte.net"}, ""},
	{"Libero", "imapmail.libero.it", []string{"libero.it"}, ""},
	{"WP", "imap.wp.pl", []string{"wp.pl"}, ""},
	{"Onet", "imap.poczta.onet.pl", []string{"onet.pl", "op.pl"}, ""},
	{"Seznam", "imap.seznam.cz", []string{"seznam.cz", "email.cz"}, ""},
	{"Mail.ru", "imap.mail.ru", []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru"}, "Mail.ru wants a password for external programs."},
	{"Yandex", "imap.yandex.com", []string{"yandex.ru", "yandex.com", "ya.ru"}, "Yandex wants an app password, and IMAP switched on."},
	{"QQ", "imap.qq.com", []string{"qq.com"}, "QQ wants an authorization code instead of the password."},
	{"163", "imap.163.com", []string{"163.com"}, "163 wants an authorization code instead of the password."},
	{"Naver", "imap.naver.com", []string{"naver.com"}, "Naver lets IMAP in only when it is switched on in the mail settings."},
	{"Zoho", "imap.zoho.com", []string{"zoho.com", "zohomail.com"}, ""},
	{"Migadu", "imap.migadu.com", []string{"migadu.com"}, ""},
	{"Runbox", "mail.runbox.com", []string{"runbox.com"}, ""},
}

// providerOf returns the provider of an address; nil if the table has none.
func providerOf(address string) *provider {
	_, domain, _ := strings.Cut(strings.ToLower(address), "@")
	for i := range providers {
		for _, d := range providers[i].domains {
			if d == domain {
				return &providers[i]
			}
		}
	}
	return nil
}

// candidates returns where the mailbox of an address may be, most likely first.
func candidates(address, password string) []commands.Login {
	login := func(host string, port int, useTLS bool) commands.Login {
		return commands.Login{Host: host, Port: port, UseTLS: useTLS, Username: address, Password: password}
	}
	if p := providerOf(address); p != nil {
		return []commands.Login{login(p.host, 993, true)}
	}
	_, domain, _ := strings.Cut(address, "@")
	return []commands.Login{
		login("imap."+domain, 993, true), login("mail."+domain, 993, true), login(domain, 993, true), login("mail."+domain, 143, false),
	}
}

// advice is what to do about an error of a sync or a test, by its code.
var advice = map[string]string{
	commands.CodeDNSFailed:          "Check the spelling of the host, and whether this machine can resolve names.",
	commands.CodeBlockedAddress:     "The operator has not allowed servers in this network (imap-blocked-networks).",
	commands.CodeConnectFailed:      "Check host and port, and whether a firewall is in between. 993 is usual with TLS, 143 without.",
	commands.CodeTimeout:            "The server is slow or not reachable. It is tried again by itself.",
	commands.CodeTLSFailed:          "Perhaps this port is not one for TLS: try 143 with STARTTLS.",
	commands.CodeCertificateInvalid: "If the certificate is your own, pin its SHA-256 below, or give the program its authority (imap-ca-file).",
	commands.CodeNotIMAP:            "Something else answers at this port. 993 and 143 are those of IMAP.",
	commands.CodeAuthFailed:         "Type the password again. Many providers want an app password for programs, or IMAP switched on in their settings.",
	commands.CodeProtocolError:      "The server gave an answer that cannot be read. It is tried again by itself; if it stays, it is worth a bug report.",
	commands.CodeFolderMissing:      "A folder that is named in the settings is not on the server. Check the list of folders.",
	commands.CodeThrottled:          "The server has asked for patience. Nothing to do: it is tried again later.",
	commands.CodeInternal:           "This is a fault of ours. The log has more.",
}
