package eventlog

import (
	"strconv"
	"strings"
	"sync"

	"github.com/imap2api/imap2api/events"
	"github.com/imap2api/imap2api/queries"
)

const (
	feedColumns = `e.position, e.type, e.schema_version, e.encoding, e.stream_kind, e.stream_id, e.account_id,
	e.recorded_at, e.event_id, e.payload, c.meta`
	// The commit of an event is the first that ends at it or after it.
	feedFrom = ` FROM log.events e CROSS JOIN LATERAL (SELECT meta FROM log.commits c
	WHERE c.journal_id = e.journal_id AND c.last_position >= e.position ORDER BY c.last_position LIMIT 1) c WHERE `
)

// kindsOf returns the kinds of stream of types: rare types have rare kinds, and
// there is an index for those.
func kindsOf(types []events.Type) []int16 {
	kinds := typeKinds()
	var out []int16
	for _, t := range types {
		if k, ok := kinds[t]; ok {
			out = append(out, k)
		}
	}
	return out
}

var typeKinds = sync.OnceValue(func() map[events.Type]int16 {
	out := map[events.Type]int16{}
	for _, t := range events.Types() {
		if e, err := events.Decode(t, events.Versions(t), []byte("{}")); err == nil {
			out[t] = int16(e.EventStream().Kind)
		}
	}
	return out
})

// feedQuery returns the statement for q, and one row more than its limit.
func feedQuery(q queries.ListEvents) (sql string, args []any) {
	var where []string
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, strings.ReplaceAll(condition, "$", "$"+strconv.Itoa(len(args))))
	}
	add("e.journal_id = $", int64(q.Journal))
	add("e.position > $", int64(q.After))
	if q.Before > 0 {
		add("e.position < $", int64(q.Before))
	}
	if q.Types != nil {
		types := make([]string, len(q.Types))
		for i, t := range q.Types {
			types[i] = string(t)
		}
		add("e.type = ANY ($)", types)
		add("e.stream_kind = ANY ($)", kindsOf(q.Types))
	}
	if q.Accounts != nil {
		accounts := make([]int64, len(q.Accounts))
		for i, a := range q.Accounts {
			accounts[i] = int64(a)
		}
		add("e.account_id = ANY ($)", accounts)
	}
	if q.Stream != nil {
		add("e.stream_kind = $", int16(q.Stream.Kind))
		add("e.stream_id = $", q.Stream.ID)
	}
	if q.Actor != "" {
		// The name of a system actor says which part of it; all are "system" too.
		add(`$ IN (convert_from(c.meta, 'UTF8')::jsonb #>> '{actor,name}',
			CASE WHEN convert_from(c.meta, 'UTF8')::jsonb #>> '{actor,kind}' = 'system' THEN 'system' END)`, q.Actor)
	}
	order := " ORDER BY e.position"
	if q.Desc {
		order += " DESC"
	}
	args = append(args, max(q.Limit, 1)+1)
	return "SELECT " + feedColumns + feedFrom + strings.Join(where, " AND ") + order + " LIMIT $" + strconv.Itoa(len(args)), args
}
