package opensearch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"k8s.io/klog/v2"
)

const (
	// answersWithin bounds a request, answerBytes what is read of an answer.
	answersWithin = 30 * time.Second
	answerBytes   = 4 << 20
)

// client talks to one address of a service. Its errors hold nothing of credentials and documents, and neither do its logs: a service
// quotes documents where it refuses them.
type client struct {
	address     *url.URL
	credentials Credentials
	http        *http.Client
	transport   *http.Transport
}

func newClient(address *url.URL, credentials Credentials) (*client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(credentials.CA) > 0 {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(credentials.CA) {
			return nil, errors.New("key ca.crt of the secret holds no certificate")
		}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	made := &http.Client{Transport: transport, Timeout: answersWithin, CheckRedirect: func(*http.Request, []*http.Request) error {
		// Another place is not to be told the password.
		return http.ErrUseLastResponse
	}}
	return &client{address, credentials, made, transport}, nil
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// busy is the error of a service that has taken a part, or none, and may take the rest later.
type busy struct{ documents int }

func (b *busy) Error() string {
	return fmt.Sprintf("the service takes no more for now: %d documents", b.documents)
}

func (c *client) do(ctx context.Context, method, path, query, contentType string, body []byte) (int, []byte, error) {
	address := c.address.JoinPath(path)
	address.RawQuery = query
	asked, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("making a request to %s: %w", c.address.Host, err)
	}
	asked.Header.Set("Content-Type", contentType)
	if c.credentials.Username != "" {
		asked.SetBasicAuth(c.credentials.Username, c.credentials.Password)
	}
	response, err := c.http.Do(asked)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of %s: %w", c.address.Host, err)
	}
	return response.StatusCode, said, nil
}

// create makes an index. It errs when that may work later: what a service refuses it may still do by itself with the first document.
func (c *client) create(ctx context.Context, index string, mapping []byte) error {
	status, _, err := c.do(ctx, http.MethodPut, index, "", "application/json", mapping)
	switch {
	case err != nil:
		return fmt.Errorf("making index %s: %w", index, err)
	case passes(status) || status == http.StatusUnauthorized:
		return fmt.Errorf("making index %s: the service answers with %d", index, status)
	}
	// 400 is said of indices that there are, too.
	klog.V(2).InfoS("An index was asked for", "index", index, "address", c.address.Host, "status", status)
	return nil
}

// passes tells whether a failure passes by itself.
func passes(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= http.StatusInternalServerError
}

// bulk writes a batch, and returns what is to be tried again. A batch that is refused as a whole is halved until it is known for which
// document: that one is dropped.
func (c *client) bulk(ctx context.Context, batch []operation) (left []operation, err error) {
	body, err := encode(batch)
	if err != nil {
		return batch, err
	}
	status, said, err := c.do(ctx, http.MethodPost, "_bulk", "filter_path=items.*.status,items.*.error.type", "application/x-ndjson", body)
	switch {
	case err != nil:
		return batch, fmt.Errorf("writing %d documents: %w", len(batch), err)
	case status == http.StatusTooManyRequests:
		return batch, &busy{len(batch)}
	case status == http.StatusOK:
		return c.judge(batch, said)
	case status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge:
		return batch, fmt.Errorf("writing %d documents: the service answers with %d", len(batch), status)
	case len(batch) == 1:
		c.drop(batch[0], status, http.StatusText(status))
		return nil, nil
	}
	before, err := c.bulk(ctx, batch[:len(batch)/2])
	if err != nil {
		return append(before, batch[len(batch)/2:]...), err
	}
	return c.bulk(ctx, batch[len(batch)/2:])
}

// action is a line of a request: what is to be done with which document.
type action struct {
	Index string `json:"_index"`
	ID    string `json:"_id"`
}

func encode(batch []operation) ([]byte, error) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, o := range batch {
		verb := "index"
		if o.document == nil {
			verb = "delete"
		}
		if err := lines.Encode(map[string]action{verb: {o.index, o.id}}); err != nil {
			return nil, fmt.Errorf("encoding a request: %w", err)
		}
		if o.document != nil {
			body.Write(o.document)
			body.WriteByte('\n')
		}
	}
	return body.Bytes(), nil
}

// outcome is what became of one document.
type outcome struct {
	Status int
	Error  struct{ Type string }
}

// judge returns the documents of a batch that the service may take later.
func (c *client) judge(batch []operation, said []byte) (left []operation, err error) {
	var answer struct{ Items []map[string]outcome }
	if err := json.Unmarshal(said, &answer); err != nil || len(answer.Items) != len(batch) {
		return batch, fmt.Errorf("the answer of %s is none to %d documents", c.address.Host, len(batch))
	}
	for i, item := range answer.Items {
		for _, outcome := range item {
			switch {
			case outcome.Status < http.StatusMultipleChoices:
			case batch[i].document == nil && outcome.Status == http.StatusNotFound:
			case passes(outcome.Status) || outcome.Error.Type == "cluster_block_exception":
				left = append(left, batch[i])
			default:
				c.drop(batch[i], outcome.Status, outcome.Error.Type)
			}
		}
	}
	if len(left) > 0 {
		return left, &busy{len(left)}
	}
	return nil, nil
}

func (c *client) drop(o operation, status int, why string) {
	klog.ErrorS(nil, "An object is not indexed: the service refuses it", "address", c.address.Host, "index", o.index, "uid", o.id, "status", status, "type", why)
}
