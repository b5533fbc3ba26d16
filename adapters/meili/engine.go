package meili

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// Word is a word of a text, folded, with the octets of the text it was cut from. It is an
// alias, as Term and Place are, so that who cuts words need not import this package.
type Word = struct {
	Text       string
	Start, End int
}

// Term is what is asked for, as words that follow one another; the last one is the beginning
// of a word if Prefix is set.
type Term = struct {
	Words  []string
	Prefix bool
}

// Options of an Engine. URL, Words and Query must be given.
type Options struct {
	URL    string // http or https, without user, query and fragment
	APIKey string // sent in a header only; "" if the server asks for none
	// Prefix begins the name of every index: letters, digits, "_" and "-"; "": imap2api. It must
	// be of this database alone where several share one Meilisearch.
	Prefix string
	// Words cuts text, Query what is asked for, both into folded words of letters, digits and
	// marks. WordsVersion is raised when they cut differently: indexes are then made again.
	Words        func(text string) iter.Seq[Word]
	Query        func(value string, phrase bool) Term
	WordsVersion int

	SearchTimeout  time.Duration // of one search; 0: 5 s
	RequestTimeout time.Duration // of any other request; 0: 30 s
	TaskTimeout    time.Duration // until what was written can be found; 0: 2 min
	Pause          time.Duration // without requests after one that got no answer; 0: 5 s

	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

// Engine is a Meilisearch server and the indexes of this database there. It is safe for use by
// several goroutines.
type Engine struct {
	opts    Options
	service meilisearch.ServiceManager
	circuit circuit
}

// validPrefix leaves room in the 512 octets that a name of an index may have.
var validPrefix = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,100}$`)

// New returns an engine. It does not connect yet. It returns an error for options that cannot
// be used.
func New(opts Options) (*Engine, error) {
	u, err := url.Parse(opts.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("meilisearch url: want http or https, a host, and no user or query")
	}
	if opts.Words == nil || opts.Query == nil {
		return nil, errors.New("meilisearch: nothing cuts words")
	}
	defaults(&opts)
	if !validPrefix.MatchString(opts.Prefix) {
		return nil, fmt.Errorf("meilisearch: prefix %q has other characters than letters, digits, _ and -, or too many", opts.Prefix)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16
	client := &http.Client{
		Transport: transport,
		// A redirect would turn writes into reads, and could take the key elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	options := []meilisearch.Option{meilisearch.WithCustomClient(client), meilisearch.DisableRetries()}
	if opts.APIKey != "" {
		options = append(options, meilisearch.WithAPIKey(opts.APIKey))
	}
	return &Engine{
		opts:    opts,
		service: meilisearch.New(strings.TrimRight(opts.URL, "/"), options...),
		circuit: circuit{pause: opts.Pause, now: opts.Now, log: opts.Logger},
	}, nil
}

func defaults(o *Options) {
	if o.Prefix == "" {
		o.Prefix = "imap2api"
	}
	for value, standard := range map[*time.Duration]time.Duration{
		&o.SearchTimeout: 5 * time.Second, &o.RequestTimeout: 30 * time.Second,
		&o.TaskTimeout: 2 * time.Minute, &o.Pause: 5 * time.Second,
	} {
		if *value == 0 {
			*value = standard
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
