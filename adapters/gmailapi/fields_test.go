package gmailapi

import "testing"

func TestSelectFields(t *testing.T) {
	t.Parallel()
	const body = `{"messages":[{"id":"1","threadId":"a"},{"id":"2","threadId":"<&"}],"nextPageToken":"x","resultSizeEstimate":2}`
	for _, c := range []struct{ fields, want, fault string }{
		{fields: "messages(id),nextPageToken", want: `{"messages":[{"id":"1"},{"id":"2"}],"nextPageToken":"x"}`},
		{fields: "messages/threadId", want: `{"messages":[{"threadId":"a"},{"threadId":"<&"}]}`},
		{fields: "messages/id,messages/threadId", want: `{"messages":[{"id":"1","threadId":"a"},{"id":"2","threadId":"<&"}]}`},
		{fields: "messages(payload(headers/name),id)", want: `{"messages":[{"id":"1"},{"id":"2"}]}`},
		{fields: "*", want: body},
		{fields: "messages(*),resultSizeEstimate", want: `{"messages":[{"id":"1","threadId":"a"},{"id":"2","threadId":"<&"}],"resultSizeEstimate":2}`},
		{fields: "nope", fault: "Invalid field selection nope"},
		{fields: "messages(id,nope)", fault: "Invalid field selection nope"},
		{fields: "messages/id/x", fault: "Invalid field selection id"},
		{fields: "messages(id", fault: "Invalid field selection messages(id"},
		{fields: "messages)", fault: "Invalid field selection messages)"},
		{fields: ",", fault: "Invalid field selection ,"},
	} {
		got, err := selectFields([]byte(body), c.fields, "ListMessagesResponse")
		if c.fault != "" {
			if err == nil || err.Error() != c.fault {
				t.Errorf("%q: %s, %v, want %q", c.fields, got, err, c.fault)
			}
			continue
		}
		if err != nil || string(got) != c.want {
			t.Errorf("%q: %s, %v, want %s", c.fields, got, err, c.want)
		}
	}
}

func FuzzSelectFields(f *testing.F) {
	f.Add("messages(id,threadId),nextPageToken")
	f.Add("a/b(c,d/*)")
	f.Add("((,")
	f.Fuzz(func(t *testing.T, fields string) {
		if out, err := selectFields([]byte(`{"messages":[{"id":"1"}]}`), fields, "ListMessagesResponse"); err == nil && len(out) == 0 {
			t.Errorf("%q leaves nothing", fields)
		}
	})
}
