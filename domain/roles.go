package domain

import (
	"slices"
	"strings"
)

// The names by which people and programs call the trash and the junk mailbox,
// folded. They count only where the server gives no special use at all.
var (
	trashNames = []string{
		"trash", "deleted", "deleted items", "deleted messages", "bin", "papierkorb", "gelöschte elemente", "gelöschte objekte",
		"corbeille", "éléments supprimés", "papelera", "elementos eliminados", "cestino", "posta eliminata", "prullenbak",
		"verwijderde items", "kosz", "elementy usunięte", "корзина", //nolint:misspell // Polish
		"удаленные", "lixeira", "itens excluídos", "papperskorg",
		"borttaget", "papirkurv", "slettet post", "roskakori", "koš", "odstraněná pošta", "çöp kutusu", "silinmiş öğeler",
		"ゴミ箱", "削除済みアイテム", "已删除", "已删除邮件", "휴지통", "지운 편지함",
	}
	junkNames = []string{
		"junk", "junk e-mail", "junk email", "spam", "bulk", "bulk mail", "junk-e-mail", "spamverdacht", "courrier indésirable",
		"indésirables", "pourriel", "correo no deseado", "posta indesiderata", "ongewenste e-mail", "wiadomości-śmieci", "спам",
		"нежелательная почта", "lixo eletrônico", "skräppost", "uønsket e-mail", "roskaposti", "nevyžádaná pošta",
		"önemsiz e-posta", "迷惑メール", "垃圾邮件", "垃圾邮件箱", "스팸메일함", "정크 메일",
	}
)

// WithRoles returns the list with trash and junk found by name, one mailbox for
// each, top level first, where no mailbox has any special use.
func WithRoles(listed []Listed) []Listed {
	out := slices.Clone(listed)
	for _, l := range out {
		if l.Role != "" {
			return out
		}
	}
	byName(out, RoleTrash, trashNames)
	byName(out, RoleJunk, junkNames)
	return out
}

func byName(listed []Listed, role Role, names []string) {
	best, depth := -1, 0
	for i, l := range listed {
		last, levels := lastLevel(l)
		if l.NoSelect || l.Name == "INBOX" || !slices.Contains(names, Fold(last)) {
			continue
		}
		if best < 0 || levels < depth {
			best, depth = i, levels
		}
	}
	if best >= 0 {
		listed[best].Role = role
	}
}

// lastLevel returns the last level of a name, and how many levels are above it;
// those named INBOX or [Gmail] do not count.
func lastLevel(l Listed) (last string, levels int) {
	if l.Delimiter == "" {
		return string(l.Name), 0
	}
	path := strings.Split(string(l.Name), l.Delimiter)
	if len(path) > 1 && (strings.EqualFold(path[0], "INBOX") || path[0] == "[Gmail]" || path[0] == "[Google Mail]") {
		path = path[1:]
	}
	return path[len(path)-1], len(path) - 1
}

// Selection says which mailboxes are synced.
type Selection struct {
	Names   string // a folder list as FormatFolders writes it; "" for all
	NoTrash bool   // leave out trash, and junk unless it is named
}

// Select returns which of the listed mailboxes are synced, and the names that
// no mailbox has. Mailboxes that cannot be opened are never among them.
func (s Selection) Select(listed []Listed) (selected map[MailboxName]bool, missing []string) {
	selected = map[MailboxName]bool{}
	names := ParseFolders(s.Names)
	if len(names) == 0 {
		for _, l := range listed {
			virtual := l.Role == RoleFlagged || l.Role == RoleImportant
			excluded := s.NoTrash && (l.Role == RoleTrash || l.Role == RoleJunk)
			if !l.NoSelect && !virtual && !excluded {
				selected[l.Name] = true
			}
		}
		return selected, nil
	}
	for _, name := range names {
		found, ok := findMailbox(listed, name)
		if !ok {
			missing = append(missing, name)
			continue
		}
		if !found.NoSelect && (!s.NoTrash || found.Role != RoleTrash) {
			selected[found.Name] = true
		}
	}
	return selected, missing
}

// findMailbox returns the mailbox with exactly this name, else the one with the special use it says.
func findMailbox(listed []Listed, name string) (Listed, bool) {
	exact := NormalName(name)
	if i := slices.IndexFunc(listed, func(l Listed) bool { return l.Name == exact }); i >= 0 {
		return listed[i], true
	}
	role := RoleNamed(name)
	i := slices.IndexFunc(listed, func(l Listed) bool { return role != "" && l.Role == role })
	if i < 0 {
		return Listed{}, false
	}
	return listed[i], true
}

// ParseFolders reads a comma-separated list of folder names (api.md 9.3): items
// are trimmed, one with a comma is in double quotes, a quote inside is doubled. INBOX in any
// case is INBOX. Duplicates and empty items are dropped.
func ParseFolders(list string) []string {
	var out []string
	add := func(item string) {
		name := string(NormalName(strings.TrimSpace(item)))
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for rest := strings.TrimSpace(list); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] != '"' {
			name, after, _ := strings.Cut(rest, ",")
			add(name)
			rest = after
			continue
		}
		var name string
		name, rest = unquote(rest[1:])
		add(name)
		_, rest, _ = strings.Cut(rest, ",")
	}
	return out
}

// unquote reads up to the closing quote.
func unquote(text string) (name, rest string) {
	var b strings.Builder
	for {
		part, after, closed := strings.Cut(text, `"`)
		b.WriteString(part)
		if !closed || !strings.HasPrefix(after, `"`) {
			return b.String(), after
		}
		b.WriteByte('"')
		text = after[1:]
	}
}

// FormatFolders writes a list that ParseFolders reads, without spaces between the items.
func FormatFolders(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		if strings.ContainsAny(n, `,"`) {
			n = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
		}
		out[i] = n
	}
	return strings.Join(out, ",")
}
