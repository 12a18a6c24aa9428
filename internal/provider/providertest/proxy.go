package providertest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Fault is what can happen to a request on its way to the provider and back.
type Fault int

// The faults.
const (
	None   Fault = iota
	Cut          // the connection is closed; the provider never sees the request
	Hang         // the provider never sees the request, and there is no answer
	Broken       // status 500
	Page         // status 502 with a page of HTML
	Busy         // status 429 with Retry-After: 7
	Drop         // the provider answers, and the connection is closed before its answer is passed on
)

// proxy passes requests on to the provider, or does not. Its counts are of refreshes alone.
type proxy struct {
	next *httputil.ReverseProxy

	mu       sync.Mutex
	inject   func(*http.Request) Fault
	injected [Drop + 1]int
	good     int             // refreshes that the provider granted
	reused   int             // refreshes with a token that was used and replaced
	spent    map[string]bool // refresh tokens that a newer one replaced
}

// Inject lets f say what happens to each request from now on; nil: nothing. F may look at PostForm
// and is called by several requests at once.
func (p *Provider) Inject(f func(*http.Request) Fault) {
	p.proxy.mu.Lock()
	defer p.proxy.mu.Unlock()
	p.proxy.inject = f
}

// OfRefreshes makes a function for Inject that does f to the given share of all refreshes, 0 to 1,
// and nothing to other requests. The same seed chooses the same ones.
func OfRefreshes(f Fault, share float64, seed uint64) func(*http.Request) Fault {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // a test that can be repeated
	return func(r *http.Request) Fault {
		if !refresh(r) {
			return None
		}
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() < share {
			return f
		}
		return None
	}
}

func refresh(r *http.Request) bool { return r.PostForm.Get("grant_type") == "refresh_token" }

// Injected returns how often f has happened.
func (p *Provider) Injected(f Fault) int {
	p.proxy.mu.Lock()
	defer p.proxy.mu.Unlock()
	return p.proxy.injected[f]
}

// Refreshes returns how many refreshes the provider has granted, whether or not the answer was
// passed on, and how many came with a refresh token that it had replaced before.
func (p *Provider) Refreshes() (granted, reused int) {
	p.proxy.mu.Lock()
	defer p.proxy.mu.Unlock()
	return p.proxy.good, p.proxy.reused
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.PostForm, err = url.ParseQuery(string(body)); err != nil {
		r.PostForm = url.Values{}
	}
	switch p.fault(r) {
	case Cut:
		panic(http.ErrAbortHandler)
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Broken:
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
	case Page:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html><body><h1>502 Bad Gateway</h1></body></html>")
	case Busy:
		w.Header().Set("Retry-After", "7")
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
	case Drop:
		p.next.ServeHTTP(&nowhere{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	default:
		p.next.ServeHTTP(w, r)
	}
}

// fault asks what shall happen to r, and counts it.
func (p *proxy) fault(r *http.Request) Fault {
	p.mu.Lock()
	inject := p.inject
	p.mu.Unlock()
	f := None
	if inject != nil {
		f = inject(r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.injected[f]++
	if refresh(r) && p.spent[r.PostForm.Get("refresh_token")] && f != Cut && f != Hang {
		p.reused++
	}
	return f
}

// answered counts the answers of the provider.
func (p *proxy) answered(resp *http.Response) error {
	if !refresh(resp.Request) || resp.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good++
	sent := resp.Request.PostForm.Get("refresh_token")
	if bytes.Contains(body, []byte(`"refresh_token"`)) && !bytes.Contains(body, []byte(sent)) {
		p.spent[sent] = true
	}
	return nil
}

// nowhere takes an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
